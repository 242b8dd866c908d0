"use strict";
// What a page can do beside being read: pictures grow, tables sort, commands are copied. All is there without it.

const make = (name, text, parent) => {
  const element = parent.appendChild(document.createElement(name));
  element.textContent = text;
  return element;
};

// a picture of a gallery opens with its neighbour and their line; Escape or a click closes
const dialog = make("dialog", "", document.body);
dialog.setAttribute("aria-label", "Enlarged pictures");
dialog.addEventListener("click", () => dialog.close());
for (const image of document.querySelectorAll(".gallery img")) {
  const open = () => {
    dialog.replaceChildren(image.closest("li").cloneNode(true));
    make("button", "Close", dialog).type = "button";
    dialog.showModal();
  };
  image.setAttribute("role", "button");
  image.tabIndex = 0;
  image.addEventListener("click", open);
  image.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      open();
    }
  });
}

// a head of a column sorts the rows below it, group by group, up and down in turn
const number = (text) => parseFloat(text.replace("\u2212", "-").replace("<", ""));
const order = (column, sign) => (one, other) => {
  const [a, b] = [one, other].map((row) => row.cells[column].textContent.trim());
  const [x, y] = [a, b].map(number);
  if (isNaN(x) !== isNaN(y)) return isNaN(x) ? 1 : -1;
  return sign * (isNaN(x) ? a.localeCompare(b) : x - y);
};
for (const table of document.querySelectorAll(".scroll:not(.matrix) > table")) {
  const heads = [...table.tHead.rows[0].cells];
  if (![...table.tBodies].some((body) => body.rows.length > 3)) continue;
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "descending" : "ascending");
      for (const body of table.tBodies) {
        const rows = [...body.rows].filter((row) => row.cells.length === heads.length);
        body.append(...rows.sort(order(column, up ? -1 : 1)));
      }
    });
  });
}

// commands are copied whole
for (const block of document.querySelectorAll("pre")) {
  if (!navigator.clipboard) break;
  const box = document.createElement("div");
  box.className = "copied";
  block.replaceWith(box);
  box.append(block);
  const button = make("button", "Copy", box);
  button.type = "button";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(block.textContent);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
}
