from datetime import date, timedelta
print(date(2024, 2, 28) + timedelta(days=2), date(2024, 1, 1).strftime('%A'))
