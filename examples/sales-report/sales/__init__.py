"""Sales of several shops: CSV files cleaned, summed up by month and published."""
