"""Everything of Ringside that imports Airflow, apart from the DAG files."""
