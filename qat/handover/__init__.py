"""What is handed over to the vendor's tools, in images where this project can't be installed, and what comes back."""
