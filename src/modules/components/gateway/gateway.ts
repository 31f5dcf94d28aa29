// The gateway's view of the registry: instances by id or capability, balanced by health and by what is under way.

import type { ModuleHost } from '../../../kernel/catalog/module.ts'
import { readEachTime } from '../../../kernel/config/live.ts'
import { PolityError } from '../../../kernel/errors.ts'
import type { AddressRule } from '../addresses.ts'
import { components } from '../contract.ts'
import { placeOf } from '../endpoints.ts'
import { allSeen, type Seen } from '../reading.ts'
import { unknownComponent } from '../registering.ts'
import { serving } from '../serving.ts'
import type { GatewayOptions } from '../settings.ts'
import type { GatewayLimits, Instance, ServiceGateway } from './service-gateway.ts'
import type { Traffic } from './traffic.ts'

const LIMITS: GatewayLimits = {
  connectMs: 5000,
  headMs: 60_000,
  idleMs: 300_000,
  bodySizeMaxBytes: 64 * 1024 * 1024,
  exchangesMax: 1024,
}

/** How old the gateway's knowledge of the registry may be. */
const FRESH_MS = 500
/** The same for a capability that nobody seems to have: asking for those must not keep the hub reading. */
const MISSED_FRESH_MS = 50
/** Of one instance on the way to their heads; nobody waits for a place, since there may be another instance. */
const INSTANCE_CONCURRENT_MAX = 512
const TARGET_NAME_MAX_CHARS = 256

type Host = Pick<ModuleHost, 'env' | 'reads' | 'rows' | 'targets'>

export function openServiceGateway(
  host: Host,
  rule: Pick<AddressRule, 'resolve'>,
  traffic: Traffic,
  options: GatewayOptions = {},
): ServiceGateway {
  const registry = openRegistry(host)
  const underWay = new Map<string, number>()
  const countOf = ({ url }: Instance) => underWay.get(url) ?? 0
  const add = ({ url }: Instance, by: number) => {
    const count = (underWay.get(url) ?? 0) + by
    if (count > 0) underWay.set(url, count)
    else underWay.delete(url)
  }
  const targetOf = ({ component, authority }: Instance): string => {
    const name = `component/${component}/${authority}`.slice(0, TARGET_NAME_MAX_CHARS)
    host.targets.declare(
      name,
      { concurrentMax: INSTANCE_CONCURRENT_MAX, waitingMax: 0 },
      { isLasting: false },
    )
    return name
  }
  return {
    limits: readEachTime(LIMITS, options),
    async instances(service, protocol) {
      const known = matching(await registry.seen(), service)
      const found = known.length > 0 ? known : matching(await registry.seenAgain(service), service)
      if (found.length === 0) throw unknownComponent(service)
      const all = found.flatMap((seen) => instancesOf(seen, protocol))
      const ready = all.filter(({ health }) => health === 'passing' || health === 'warning')
      if (ready.length === 0) throw unavailable(service, protocol, found, all)
      return ready
    },
    choose(instances, tried) {
      const left = instances.filter(({ url }) => !tried.has(url))
      const passing = left.filter(({ health }) => health === 'passing')
      const best = passing.length > 0 ? passing : left
      if (best.length < 2) return best[0]
      const [one, other] = [best[below(host, best.length)], best[below(host, best.length)]]
      if (one === undefined || other === undefined) return one ?? other
      return countOf(other) < countOf(one) ? other : one
    },
    addressOf: ({ host: name }) => rule.resolve(name),
    enter(instance) {
      add(instance, 1)
      return () => add(instance, -1)
    },
    through: (instance, body, isFailure) => host.targets.call(targetOf(instance), body, { isFailure }),
    broke(instance, error) {
      const fail = () => Promise.reject(error)
      host.targets.call(targetOf(instance), fail, { isFailure: () => true }).catch(() => undefined)
    },
    note: (sample) => traffic.note(sample),
    metrics: () => traffic.metrics(),
  }
}

/** All components as of at most FRESH_MS ago; whoever asks meanwhile shares one read. */
function openRegistry({ env, reads, rows }: Host) {
  let read: { readonly atMs: number; readonly seen: Promise<readonly Seen[]> } | undefined
  const seenNow = (): Promise<readonly Seen[]> => {
    const seen = allSeen(reads, rows, env.now())
    const mine = { atMs: env.monotonic(), seen }
    read = mine
    // What failed is not kept.
    seen.catch(() => {
      if (read === mine) read = undefined
    })
    return seen
  }
  const seen = (freshMs: number) =>
    read !== undefined && env.monotonic() - read.atMs < freshMs ? read.seen : seenNow()
  return {
    seen: () => seen(FRESH_MS),
    /** For what was not among them: one row tells whether an id is new, and capabilities wait a little. */
    async seenAgain(service: string) {
      if (service.startsWith(CAPABILITY)) return seen(MISSED_FRESH_MS)
      return (await reads.get(components, service)) === undefined ? [] : seenNow()
    },
  }
}

const CAPABILITY = 'capability:'

const matching = (seen: readonly Seen[], service: string): readonly Seen[] =>
  service.startsWith(CAPABILITY)
    ? serving(seen, service.slice(CAPABILITY.length))
    : seen.filter(({ row }) => row.id === service)

/** A WebSocket may also go to an http endpoint: it begins as a request. */
function instancesOf({ row, health }: Seen, protocol: 'http' | 'ws'): Instance[] {
  const own = row.endpoints.filter((each) => each.protocol === protocol)
  const usable = own.length > 0 ? own : row.endpoints.filter((each) => each.protocol === 'http')
  return usable.map((each) => ({
    component: row.id,
    url: each.url,
    health,
    ...placeOf(each.protocol, each.url),
  }))
}

function unavailable(
  service: string,
  protocol: string,
  found: readonly Seen[],
  all: readonly Instance[],
): PolityError {
  const why =
    all.length === 0
      ? `has no ${protocol} endpoint`
      : `is ${found.map(({ row, health, reasons }) => `${health} (${row.id}: ${reasons.join('; ')})`).join(', ')}`
  return new PolityError('components.unavailable', `${service} ${why}`.slice(0, 1024), { component: service })
}

/** A chance number from 0 to count - 1; the slight unevenness does not matter here. */
function below({ env }: Host, count: number): number {
  const [first = 0, second = 0] = env.random(2)
  return count === 0 ? 0 : (first * 256 + second) % count
}
