"""What starts abreast on a machine: files for systemd, supervisor, cron and containers."""
