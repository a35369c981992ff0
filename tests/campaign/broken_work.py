"""Work that cannot even be imported."""

raise ZeroDivisionError("at the import")
