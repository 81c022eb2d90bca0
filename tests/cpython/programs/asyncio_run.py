import asyncio
async def main():
    print(await asyncio.gather(*(asyncio.sleep(0, i) for i in range(3))))
asyncio.run(main())
