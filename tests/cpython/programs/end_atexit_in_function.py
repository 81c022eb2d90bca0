import atexit, sys
out = []
@atexit.register
def show():
    sys.stdout.write('\n'.join(out))
def main():
    out.append(input())
main()
