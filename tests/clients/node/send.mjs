// node send.mjs ADDRESS WRITE_KEY COUNT PREFIX: track calls through Segment's Node client as it comes.
import { Analytics } from "@segment/analytics-node"

const [address, writeKey, count, prefix] = process.argv.slice(2)
const analytics = new Analytics({ writeKey, host: address, flushAt: 100, flushInterval: 200, maxRetries: 20 })
const failed = []
analytics.on("error", (error) => failed.push(String(error.code ?? error)))
analytics.on("call_after_close", () => failed.push("call_after_close"))

const total = Number(count)
let delivered = 0
for (let number = 0; number < total; number++) {
  analytics.track(
    {
      userId: `user-${number % 50}`,
      event: "Report Created",
      messageId: `${prefix}-${number}`,
      properties: { rows: number },
      context: { groupId: `account-${number % 7}` },
    },
    (error) => (error ? failed.push(String(error)) : delivered++),
  )
  if (number % 500 === 499) {
    console.log(number + 1)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
await analytics.closeAndFlush({ timeout: 120_000 })
console.error(JSON.stringify({ delivered, failed }))
process.exit(failed.length === 0 && delivered === total ? 0 : 1)
