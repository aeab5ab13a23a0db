"""What `hipbar doctor` does: facts are gathered here, judged in `appliance.station.checkup`, and put into a report."""
