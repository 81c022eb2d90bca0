import asyncio
async def main():
    asyncio.create_task(asyncio.sleep(9))
    print('done')
asyncio.run(main())
