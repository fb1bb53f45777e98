"""The report of a task: objects in, one HTML file out. `report_data` reads, `page` writes."""
