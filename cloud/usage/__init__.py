"""What devices sent: counted by the minute, added up by hour, day and month, held against budgets."""
