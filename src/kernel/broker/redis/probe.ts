// What of a Redis server can lose messages, as far as it lets us see.

import { PolityError } from '../../errors.ts'
import type { BrokerReport, Finding, Verdict } from '../broker.ts'
import type { RedisLink } from './connecting.ts'

type Judgement = readonly [verdict: Verdict, consequence: string, advice?: string]

export async function probeRedis(link: RedisLink, places: readonly string[]): Promise<BrokerReport> {
  const info = fieldsOf(await unlessRefused(() => link.call(['INFO'])))
  const findings: Finding[] = []
  for (const [setting, judge] of Object.entries(SETTINGS)) {
    const answer = await unlessRefused(() => link.call(['CONFIG', 'GET', setting]))
    const value = Array.isArray(answer) && answer.length === 2 ? String(answer[1]) : undefined
    findings.push(finding(setting, value, value === undefined ? HIDDEN : judge(value)))
  }
  for (const [field, judge] of Object.entries(FIELDS)) {
    const value = info.get(field)
    findings.push(finding(field, value, value === undefined ? HIDDEN : judge(value, info)))
  }
  for (const place of places) findings.push(await lengthOf(link, place))
  return { kind: 'redis', version: info.get('redis_version') ?? 'unknown', findings }
}

const HIDDEN: Judgement = [
  'unknown',
  'the server does not tell it to this user',
  'let the user ask CONFIG GET and INFO, or look at it yourself',
]

const SETTINGS: Readonly<Record<string, (value: string) => Judgement>> = {
  appendonly: (value) =>
    value === 'yes'
      ? ['safe', 'what is acknowledged goes into the append-only file']
      : ['can-lose', 'a restart loses everything since the last snapshot', 'set appendonly yes'],
  appendfsync: (value) =>
    value === 'always'
      ? ['safe', 'what is acknowledged is on the disk, where appendonly is yes']
      : [
          'can-lose',
          value === 'everysec'
            ? 'a power cut loses up to two seconds of acknowledged messages'
            : 'a power cut loses what the operating system has not written',
          'set appendfsync always',
        ],
  'maxmemory-policy': (value) => {
    if (value === 'noeviction') return ['safe', 'full memory refuses messages instead of dropping streams']
    return value.startsWith('volatile-')
      ? [
          'can-double',
          'full memory drops the marks by which repetitions are recognised, and no streams',
          'set maxmemory-policy noeviction',
        ]
      : ['can-lose', 'full memory drops whole streams', 'set maxmemory-policy noeviction']
  },
  save: (value) => [
    'safe',
    value === '' ? 'no snapshots beside the append-only file' : 'snapshots beside the append-only file',
  ],
}

const FIELDS: Readonly<Record<string, (value: string, info: ReadonlyMap<string, string>) => Judgement>> = {
  role: (value, info) => {
    if (value !== 'master')
      return ['can-lose', 'a replica takes no messages and may lag behind', 'connect to the primary']
    return Number(info.get('connected_slaves') ?? 0) > 0
      ? [
          'can-lose',
          'replication is asynchronous: a failover loses what was not replicated yet',
          'keep failover manual, or send from the log again after one, by a sink of another name with `from` start',
        ]
      : ['safe', 'there is no replica to which a failover could lead']
  },
  aof_last_write_status: (value) =>
    value === 'ok'
      ? ['safe', 'the append-only file can be written']
      : ['can-lose', 'the append-only file cannot be written', 'look at the disk of the server'],
}

/** Nobody trims: what is not acknowledged by some group must not go, and Redis does not look. */
async function lengthOf(link: RedisLink, place: string): Promise<Finding> {
  const length = await unlessRefused(() => link.call(['XLEN', place]))
  return finding(`${place}: length`, length === undefined ? undefined : String(length), [
    length === undefined ? 'unknown' : 'safe',
    'the stream grows without bound, because nothing is trimmed here',
    'trim it with XTRIM MINID behind what every group has acknowledged',
  ])
}

const finding = (
  setting: string,
  value: string | undefined,
  [verdict, consequence, advice = '']: Judgement,
): Finding => ({ setting, value: value ?? 'unknown', verdict, consequence, advice })

async function unlessRefused<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof PolityError && error.code === 'broker.refused') return undefined
    throw error
  }
}

const fieldsOf = (info: unknown): ReadonlyMap<string, string> =>
  new Map(
    String(info ?? '')
      .split('\r\n')
      .flatMap((line) => {
        const at = line.indexOf(':')
        return at < 0 ? [] : [[line.slice(0, at), line.slice(at + 1)] as const]
      }),
  )
