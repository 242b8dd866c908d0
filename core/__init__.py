"""What every floor of the house needs: errors, files, locks, processes, arithmetic, progress."""
