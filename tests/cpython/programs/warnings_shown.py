import warnings
warnings.warn('careful')
print('fine')
