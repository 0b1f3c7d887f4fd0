"""What users read and write by themselves: executions of assets as rows and frames, files and tables."""
