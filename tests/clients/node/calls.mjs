// node calls.mjs ADDRESS WRITE_KEY: one call of every type through Segment's Node client as it comes.
import { Analytics } from "@segment/analytics-node"

const [address, writeKey] = process.argv.slice(2)
const analytics = new Analytics({ writeKey, host: address, flushInterval: 200 })
const failed = []
analytics.on("error", (error) => failed.push(String(error.code ?? error)))

analytics.track({ anonymousId: "visit-7", event: "Pricing Viewed", properties: { plan: "pro" } })
analytics.alias({ previousId: "visit-7", userId: "ann" })
analytics.identify({ userId: "ann", traits: { email: "Ann@acme.example", name: "Ann Ames", title: "CFO" } })
analytics.group({ userId: "ann", groupId: "acme", traits: { name: "Acme GmbH", domain: "acme.example", seats: 12 } })
analytics.page({ userId: "ann", category: "Docs", name: "Install", properties: { path: "/docs/install" } })
analytics.screen({ userId: "ann", category: "App", name: "Home", properties: { tab: "all" } })
analytics.track({ userId: "ann", event: "Report Created", context: { groupId: "acme" } })
await analytics.closeAndFlush({ timeout: 60_000 })
console.error(JSON.stringify({ failed }))
process.exit(failed.length === 0 ? 0 : 1)
