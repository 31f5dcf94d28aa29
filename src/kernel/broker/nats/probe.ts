// What of a NATS server and its streams can lose messages, as far as the protocol shows it.

import { StorageType, type StreamInfo } from '@nats-io/jetstream'
import { millis } from '@nats-io/transport-node'
import { compare, valid } from 'semver'
import { type BrokerReport, type Finding, REPEAT_WINDOW_MS, type Verdict } from '../broker.ts'
import { isRefusal, type Live } from './connecting.ts'

/** Before it, a crash of the process could lose whole streams. */
const SOUND_VERSION = '2.10.23'
/** From it on, `sync_interval: always` is in the form that the vendor describes for servers that stand alone. */
const ADVISED_VERSION = '2.12.0'

export async function probeNats(
  { connection, manager }: Live,
  places: readonly string[],
): Promise<BrokerReport> {
  const version = connection.info?.version ?? 'unknown'
  const management = await manager()
  const jetstream = await jetstreamFinding(management)
  const findings: Finding[] = [...serverFindings(version), jetstream]
  if (jetstream.verdict === 'can-lose') return { kind: 'nats', version, findings }
  const { streams } = management
  const names = new Set<string>()
  for (const place of places) {
    const found = await streamsOf(streams, place)
    if (found.length === 0)
      findings.push({
        setting: `${place}: stream`,
        value: 'none',
        verdict: 'unknown',
        consequence:
          'no stream takes this subject or has this name, or this user may not see it: nothing arrives',
        advice: 'make a stream for it',
      })
    for (const name of found) names.add(name)
  }
  for (const name of names) findings.push(...streamFindings(await streams.info(name)))
  return { kind: 'nats', version, findings }
}

/** Without it, every publication is refused, and what is sent past it is kept by nobody. */
async function jetstreamFinding(management: Awaited<ReturnType<Live['manager']>>): Promise<Finding> {
  try {
    await management.getAccountInfo()
    return { setting: 'jetstream', value: 'on', ...verdictOf('safe', 'the server can keep messages') }
  } catch (error) {
    if ((error as { readonly name?: unknown }).name !== 'JetStreamNotEnabled') {
      if (!isRefusal(error)) throw error
      return {
        setting: 'jetstream',
        value: 'unknown',
        ...verdictOf(
          'unknown',
          'this user may not ask',
          'let the user ask $JS.API.INFO, or look at it yourself',
        ),
      }
    }
    return {
      setting: 'jetstream',
      value: 'off',
      ...verdictOf(
        'can-lose',
        'the server keeps nothing, and takes nothing from a sink',
        'turn JetStream on for this account',
      ),
    }
  }
}

async function streamsOf(
  streams: Awaited<ReturnType<Live['manager']>>['streams'],
  place: string,
): Promise<readonly string[]> {
  try {
    return [(await streams.info(place)).config.name]
  } catch {
    // It is a subject then; a name of a stream holds neither dots nor wildcards.
  }
  try {
    const names: string[] = []
    for await (const name of streams.names(place)) names.push(name)
    return names
  } catch (error) {
    if (isRefusal(error) || (error as { name?: string }).name === 'InvalidSubjectError') return []
    throw error
  }
}

function serverFindings(version: string): Finding[] {
  const isKnown = valid(version) !== null
  const isSound = isKnown && compare(version, SOUND_VERSION) >= 0
  return [
    {
      setting: 'version',
      value: version,
      ...verdictOf(
        !isKnown ? 'unknown' : isSound ? 'safe' : 'can-lose',
        isSound
          ? 'a crash of the server process loses no stream'
          : `before ${SOUND_VERSION}, a crash of the server process can lose whole streams`,
        isSound ? '' : `run NATS ${ADVISED_VERSION} or later`,
      ),
    },
    {
      setting: 'sync_interval',
      value: 'unknown',
      ...verdictOf(
        'unknown',
        'servers do not show it; by default they sync every two minutes, and a power cut loses what came since',
        'set sync_interval: always in the jetstream block of the server',
      ),
    },
  ]
}

function streamFindings({ config, state }: StreamInfo): Finding[] {
  const found = (setting: string, value: unknown, verdict: Omit<Finding, 'setting' | 'value'>): Finding => ({
    setting: `${config.name}: ${setting}`,
    value: String(value),
    ...verdict,
  })
  const limits = [
    ['max_age', config.max_age > 0 ? `${millis(config.max_age)} ms` : 'none', config.max_age > 0],
    ['max_bytes', config.max_bytes, config.max_bytes > 0 && config.discard === 'old'],
    ['max_msgs', config.max_msgs, config.max_msgs > 0 && config.discard === 'old'],
    ['max_msgs_per_subject', config.max_msgs_per_subject, config.max_msgs_per_subject > 0],
  ] as const
  const windowMs = millis(config.duplicate_window)
  return [
    found('storage', config.storage, storageVerdict(config.storage)),
    found(
      'replicas',
      config.num_replicas,
      config.num_replicas >= 3
        ? verdictOf('safe', 'one server may be lost')
        : verdictOf(
            'can-lose',
            'the stream is lost with its server',
            'keep three replicas, where there is a cluster',
          ),
    ),
    found(
      'retention',
      config.retention,
      config.retention === 'interest'
        ? verdictOf(
            'can-lose',
            'a message for which no consumer is there yet is dropped',
            'use limits or workqueue',
          )
        : verdictOf('safe', 'what is not acknowledged stays, within the limits below'),
    ),
    ...limits.map(([setting, value, isLosing]) =>
      found(
        setting,
        value,
        isLosing
          ? verdictOf('can-lose', 'the oldest go, acknowledged or not', `raise it, or set discard: new`)
          : verdictOf('safe', 'nothing is dropped for it'),
      ),
    ),
    found(
      'duplicate_window',
      `${windowMs} ms`,
      windowMs >= REPEAT_WINDOW_MS
        ? verdictOf('safe', 'repetitions within it are recognised by their id')
        : verdictOf(
            'can-double',
            'a repetition that comes later is stored again',
            'set it to two minutes or more',
          ),
    ),
    found('messages', state.messages, verdictOf('safe', 'what the stream holds now')),
  ]
}

const storageVerdict = (storage: StorageType) =>
  storage === StorageType.File
    ? verdictOf('safe', 'messages are in files')
    : verdictOf('can-lose', 'a restart of the server loses everything', 'use file storage')

const verdictOf = (verdict: Verdict, consequence: string, advice = '') => ({ verdict, consequence, advice })
