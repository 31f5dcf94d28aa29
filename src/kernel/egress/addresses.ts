// Which network addresses Polity may speak to: the public ones, and what the operator has allowed beside them.

import { PolityError } from '../errors.ts'
import { type Address, holds, type Network, networkOf, readAddress } from './networks.ts'

export interface Reach {
  /** A name whose addresses are all allowed. */
  isHostAllowed(host: string): boolean
  /** `address` in any form that the network stack gives; whatever cannot be read is not allowed. */
  isAddressAllowed(address: string): boolean
}

const ALLOWED_MAX = 1024
const HOST = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/

/** @param allow networks (`10.0.0.0/8`, `fd00::/8`), addresses and host names. Throws `egress.invalid`. */
export function openReach(allow: readonly string[] = []): Reach {
  if (allow.length > ALLOWED_MAX) throw invalid('egress.allow', `it has more than ${ALLOWED_MAX} entries`)
  const hosts = new Set<string>()
  const networks: Network[] = []
  for (const each of allow) {
    const network = networkOf(each)
    if (network !== undefined) networks.push(network)
    else if (HOST.test(hostName(each))) hosts.add(hostName(each))
    else throw invalid(each, 'it is neither a network (10.0.0.0/8), nor an address, nor a host name')
  }
  return {
    isHostAllowed: (host) => hosts.has(hostName(host)),
    isAddressAllowed(address) {
      const read = addressOf(address)
      return read !== undefined && (isPublic(read) || networks.some((network) => holds(network, read)))
    },
  }
}

/** Names are equal whatever their case, and with or without the point of the root. */
const hostName = (host: string): string => host.toLowerCase().replace(/\.$/, '')

/**
 * Not reachable globally, or not meant for us: IANA special-purpose registries (RFC 6890 and its updates), multicast
 * (RFC 5771), and the platform address of one cloud that lies among the public ones.
 */
const INSIDE_V4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '168.63.129.16/32',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
].map(known)

/** Global unicast is 2000::/3 (RFC 4291 section 2.4); whatever lies outside is loopback, local, multicast or unassigned. */
const GLOBAL_V6 = known('2000::/3')
/** Within it: protocol assignments with Teredo (RFC 2928, RFC 4380), documentation (RFC 3849, RFC 9637). */
const INSIDE_V6 = ['2001::/23', '2001:db8::/32', '3fff::/20'].map(known)

/** IPv4 in another dress: mapped (RFC 4291 section 2.5.5.2). */
const MAPPED = known('::ffff:0:0/96')
/** Where an IPv4 address is carried, and how many bits follow it: NAT64 (RFC 6052), 6to4 (RFC 3056). */
const CARRIERS = [
  { network: known('64:ff9b::/96'), shift: 0n },
  { network: known('2002::/16'), shift: 80n },
]

const V4_MASK = 0xffff_ffffn

function isPublic(address: Address): boolean {
  if (address.bits === 32) return !INSIDE_V4.some((network) => holds(network, address))
  for (const { network, shift } of CARRIERS)
    if (holds(network, address)) return isPublic({ bits: 32, value: (address.value >> shift) & V4_MASK })
  return holds(GLOBAL_V6, address) && !INSIDE_V6.some((network) => holds(network, address))
}

function known(text: string): Network {
  const network = networkOf(text)
  if (network === undefined) throw new TypeError(`${text} is not a network`)
  return network
}

/** As the network stack takes it: a mapped address is the IPv4 address. */
function addressOf(text: string): Address | undefined {
  const address = readAddress(text)
  if (address === undefined || !holds(MAPPED, address)) return address
  return { bits: 32, value: address.value & V4_MASK }
}

const invalid = (entry: string, reason: string): PolityError =>
  new PolityError('egress.invalid', `${entry.slice(0, 128)} cannot stand in egress.allow: ${reason}`, {
    entry: entry.slice(0, 128),
  })
