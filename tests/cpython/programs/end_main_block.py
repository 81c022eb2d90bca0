def main():
    print('main', input())
if __name__ == '__main__':
    main()
