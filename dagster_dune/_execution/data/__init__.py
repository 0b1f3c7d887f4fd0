"""The methods with which users read and write data: results of assets as rows, frames, files and tables."""
