// What a doctor says of the brokers that a hub is told of: one finding each, and what to do about what can be lost there.

import { readSources } from '../../kernel/config/sources.ts'
import { systemEnv } from '../../kernel/env.ts'
import { resolveSecret } from '../../kernel/secrets/secrets.ts'
import type { Call } from './command.ts'
import { runningHub } from './hub-or-folder.ts'
import type { Verdict } from './verdict.ts'

/** As `brokers.list` answers it. */
interface BrokerReport {
  readonly name: string
  readonly isReachable: boolean
  readonly kind?: string
  readonly version?: string
  readonly error?: string
  readonly findings: readonly BrokerFinding[]
}

interface BrokerFinding {
  readonly setting: string
  readonly value: string
  readonly verdict: string
  readonly consequence: string
  readonly advice: string
}

/**
 * A running hub is asked first, because it knows which streams its sinks and sources use; where none runs, each server
 * that the configuration of this line names is asked for its own settings. Throws what reading the configuration throws.
 */
export async function brokerVerdicts(call: Call): Promise<readonly Verdict[]> {
  const reports = (await reportsOfHub(call)) ?? (await ownReports(call))
  return reports.map(verdictOf)
}

async function reportsOfHub({ settings }: Call): Promise<readonly BrokerReport[] | undefined> {
  try {
    const answer = await (await runningHub(settings))?.query('brokers.list@1', {})
    return (answer as { readonly items: readonly BrokerReport[] } | undefined)?.items
  } catch {
    // Nobody is there, or nobody who tells us: another line of the doctor says why.
    return undefined
  }
}

async function ownReports({ sources, ports }: Call): Promise<readonly BrokerReport[]> {
  const { keys } = await ports.loadSettings()
  const texts = readSources(await sources()).layers.get(keys.brokers)?.value
  if (!Array.isArray(texts) || texts.length === 0) return []
  const [{ openConnections }, { parseConnections }] = await Promise.all([
    import('../../modules/brokers/connections.ts'),
    import('../../modules/brokers/settings.ts'),
  ])
  const host = { env: systemEnv(), secret: resolveSecret }
  const connections = openConnections(host, { brokers: parseConnections(texts.map(String)) })
  try {
    return await Promise.all(connections.names.map((name) => connections.report(name, [])))
  } finally {
    await connections.close()
  }
}

function verdictOf({ name, isReachable, kind, version, error, findings }: BrokerReport): Verdict {
  if (!isReachable)
    return {
      status: 'fail',
      message: `${name}: ${error ?? 'it does not answer'}`,
      todo: `look at the server, and at ${name}= in brokers.connections: its address, user, secrets and ca`,
    }
  const server = `${name} is ${kind ?? 'a broker'} ${version ?? ''}`.trim()
  const bad = findings.filter(({ verdict }) => verdict === 'can-lose' || verdict === 'can-double')
  const hidden = findings.filter(({ verdict }) => verdict === 'unknown')
  if (bad.length > 0)
    return {
      status: 'warn',
      message: `${server}: ${bad.map(told).join('; ')}`,
      ...adviceOf([...bad, ...hidden]),
    }
  if (hidden.length === 0)
    return { status: 'ok', message: `${server}, and nothing it shows can lose messages` }
  const names = hidden.map(({ setting }) => setting).join(', ')
  return {
    status: 'ok',
    message: `${server}, and nothing it shows can lose messages; it does not show ${names}`,
    ...adviceOf(hidden),
  }
}

const told = ({ setting, value, consequence }: BrokerFinding): string =>
  `${setting} is ${value === '' ? 'empty' : value}: ${consequence}`

function adviceOf(findings: readonly BrokerFinding[]): { readonly todo?: string } {
  const advice = [...new Set(findings.map((finding) => finding.advice).filter((text) => text !== ''))]
  return advice.length === 0 ? {} : { todo: advice.join('; ') }
}
