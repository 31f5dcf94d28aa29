// Where components may live: this machine unless the owner allows more, and never where cloud metadata is served.

import { lookup as systemLookup } from 'node:dns/promises'
import { BlockList, isIP } from 'node:net'
import type { Env } from '../../kernel/env.ts'
import { PolityError } from '../../kernel/errors.ts'

export interface AddressRule {
  /** Throws `components.address`. */
  requireAllowed(address: string): void
  /**
   * The address to connect to: it is checked, and the connection goes to it and not to the name again. Throws
   * `components.address` where a name leads to none that is allowed, `gateway.unreachable` where it leads nowhere.
   */
  resolve(host: string): Promise<string>
}

export type Lookup = (host: string) => Promise<readonly string[]>

const LOOPBACK: readonly string[] = ['127.0.0.0/8', '::1']

/**
 * Link-local (RFC 3927, RFC 4291), where clouds serve credentials, and their other addresses for that; "this network"
 * (RFC 1122), multicast, and forms that hide an IPv4 address (RFC 6052, RFC 3056).
 */
const NEVER: readonly string[] = [
  '0.0.0.0/8',
  '169.254.0.0/16',
  '100.100.100.200',
  '168.63.129.16',
  '192.0.0.192',
  '224.0.0.0/3',
  '::',
  'fe80::/10',
  'fd00:ec2::254',
  'ff00::/8',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '2002::/16',
]

/** How long an answer of DNS is used, so that a burst of requests asks once. */
const NAMES_FRESH_MS = 5000
const NAMES_MAX = 256

/** Throws `usage` for what is neither a network nor an address. */
export function openAddressRule(
  env: Pick<Env, 'monotonic'>,
  allow: readonly string[] = LOOPBACK,
  lookup: Lookup = lookupAll,
): AddressRule {
  const allowed = listOf(allow)
  const never = listOf(NEVER)
  const isAllowed = (address: string) => !has(never, address) && has(allowed, address)
  const names = new Map<string, { readonly address: string; readonly atMs: number }>()
  const resolveName = async (host: string): Promise<string> => {
    const known = names.get(host)
    if (known !== undefined && env.monotonic() - known.atMs < NAMES_FRESH_MS) return known.address
    const found = await lookup(host).catch((error: unknown) => {
      throw new PolityError('gateway.unreachable', `the name ${host} leads to no address`, { host }, error)
    })
    const address = found.find((each) => isIP(each) !== 0 && isAllowed(each))
    if (address === undefined) throw refused(host)
    names.delete(host)
    const [oldest] = names.keys()
    if (names.size >= NAMES_MAX && oldest !== undefined) names.delete(oldest)
    names.set(host, { address, atMs: env.monotonic() })
    return address
  }
  const requireAllowed = (address: string) => {
    if (!isAllowed(address)) throw refused(address)
  }
  return {
    requireAllowed,
    async resolve(host) {
      if (isIP(host) === 0) return resolveName(host)
      requireAllowed(host)
      return host
    },
  }
}

const lookupAll: Lookup = async (host) =>
  (await systemLookup(host, { all: true })).map(({ address }) => address)

const refused = (host: string): PolityError =>
  new PolityError(
    'components.address',
    `components may not live at ${host.slice(0, 128)}: an owner allows networks with the option components.allow`,
    { host: host.slice(0, 128) },
  )

function listOf(networks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', bits, ...rest] = network.split('/')
    const family = familyOf(address)
    const widest = family === 'ipv4' ? 32 : 128
    const isWidth = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= widest)
    if (family === undefined || rest.length > 0 || !isWidth)
      throw new PolityError(
        'usage',
        `${network.slice(0, 64)} is neither a network such as 10.0.0.0/8 nor an address`,
      )
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return list
}

const familyOf = (address: string): 'ipv4' | 'ipv6' | undefined =>
  (({ 4: 'ipv4', 6: 'ipv6' }) as const)[isIP(address) as 4 | 6]

/** An IPv4 address in the form of RFC 4291 section 2.5.5 is the IPv4 address. */
function has(list: BlockList, address: string): boolean {
  const family = familyOf(address)
  if (family === undefined) return false
  const inside = family === 'ipv6' ? mappedOf(address) : undefined
  return inside === undefined ? list.check(address, family) : list.check(inside, 'ipv4')
}

function mappedOf(address: string): string | undefined {
  const host = URL.parse(`http://[${address.replace(/%.*$/, '')}]`)?.hostname
  const [, high, low] = /^\[::(?:ffff:)?([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(host ?? '') ?? []
  if (high === undefined || low === undefined) return undefined
  const bits = Number.parseInt(high, 16) * 65_536 + Number.parseInt(low, 16)
  return [24, 16, 8, 0].map((shift) => Math.floor(bits / 2 ** shift) % 256).join('.')
}
