// Internet addresses and networks as numbers.

import { isIP } from 'node:net'

export interface Address {
  readonly bits: 32 | 128
  readonly value: bigint
}

export interface Network extends Address {
  readonly prefix: number
}

export function holds(network: Network, address: Address): boolean {
  if (network.bits !== address.bits) return false
  const shift = BigInt(network.bits - network.prefix)
  return network.value >> shift === address.value >> shift
}

/** `10.0.0.0/8`, `fd00::/8`, or one address; undefined for anything else. */
export function networkOf(text: string): Network | undefined {
  const [, place = '', length] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const address = readAddress(place)
  if (address === undefined) return undefined
  const prefix = length === undefined ? address.bits : Number(length)
  if (prefix > address.bits) return undefined
  const shift = BigInt(address.bits - prefix)
  return { bits: address.bits, value: (address.value >> shift) << shift, prefix }
}

/** undefined for what is no address; a zone (`%eth0`) is left out. */
export function readAddress(text: string): Address | undefined {
  const [place = ''] = text.split('%')
  const family = isIP(place)
  if (family === 4) return { bits: 32, value: v4Value(place) }
  return family === 6 ? { bits: 128, value: v6Value(place) } : undefined
}

const v4Value = (text: string): bigint =>
  text.split('.').reduce((value, part) => (value << 8n) | BigInt(part), 0n)

function v6Value(text: string): bigint {
  const [, front = text, dotted] = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text) ?? []
  const tail = dotted === undefined ? '' : v4Value(dotted)
  const plain = tail === '' ? front : `${front}${(tail >> 16n).toString(16)}:${(tail & 0xffffn).toString(16)}`
  const [left = '', right] = plain.split('::')
  const head = groups(left)
  const rest = right === undefined ? [] : groups(right)
  const gap = right === undefined ? 0 : 8 - head.length - rest.length
  return [...head, ...Array.from({ length: gap }, () => 0n), ...rest].reduce(
    (value, group) => (value << 16n) | group,
    0n,
  )
}

const groups = (text: string): bigint[] =>
  text === '' ? [] : text.split(':').map((group) => BigInt(`0x${group}`))
