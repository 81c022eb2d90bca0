import locale
print(locale.setlocale(locale.LC_ALL, 'C'), locale.localeconv()['decimal_point'], f'{1234567:,}')
