"""The public interface, one object a file; `bus` names them and imports each when it is first used.

Nothing is computed here: it opens, calls what the commands call, and hands out tables (pandas), arrays
(numpy) and data sets (torch). The work is silent unless the study was given a listener.
"""
