// Alerts: what speaks against a log or a witness becomes an entry with its evidence, once per incident.

import { hash } from 'node:crypto'
import type { RoomHost } from '../catalog/room.ts'
import { asPolityError, PolityError } from '../errors.ts'
import type { Static } from '../schema/schema.ts'
import { AlertRaised } from './contract.ts'

export type Alert = Static<typeof AlertRaised.schema>

/** What an incident is: one kind of trouble with one log, seen at one place. */
export interface Incident extends Pick<Alert, 'kind' | 'log'> {
  /** A witness, or the URL of the view in which it shows. */
  readonly place: string
}

export interface Alerts {
  /** Records the alert unless its incident is already known. Never rejects: an alert fails nothing. */
  raise(alert: Alert, place: string): Promise<void>
  /** It is well again: the next time is another incident. */
  settle(incident: Incident): Promise<void>
}

/** Working state: digest of an incident -> when it was raised, and when it ended. */
const INCIDENTS = 'log.incidents'
/** What comes and goes within this time is one incident, so that nobody can fill our log by flickering. */
const QUIET_MS = 3600_000
/** Signed notes are long, and an entry has 65,535 bytes. */
const DETAIL_MAX_CHARS = 1000

interface IncidentRow {
  readonly raisedAtMs: number
  readonly settledAtMs?: number
}

export function openAlerts({ realm, env, record, onFailure }: RoomHost): Alerts {
  /** Incidents of which this process knows that they are over, so that being well costs no look-up. */
  const settled = new Set<string>()
  const load = async (key: string) => {
    const row = (await realm.reader.load(INCIDENTS, [key])).value.get(key)
    const value = row?.value == null ? undefined : (JSON.parse(row.value) as IncidentRow)
    return { version: row?.version ?? 0, value }
  }
  const write = (key: string, version: number, row: IncidentRow) => ({
    expect: [{ table: INCIDENTS, key, version }],
    rows: [{ table: INCIDENTS, key, value: JSON.stringify(row) }],
  })
  const attempt = async (work: () => Promise<void>) => {
    try {
      await work()
    } catch (thrown) {
      const error = asPolityError(thrown)
      // Somebody else has said the same at the same moment.
      if (error.code !== 'expectation.failed') onFailure(error)
    }
  }
  return {
    raise: (alert, place) =>
      attempt(async () => {
        const key = keyOf({ ...alert, place })
        const { version, value } = await load(key)
        if (value && (value.settledAtMs === undefined || env.now() - value.raisedAtMs < QUIET_MS)) return
        const detail = alert.detail.slice(0, DETAIL_MAX_CHARS)
        const draft = AlertRaised({ ...alert, detail }, { subject: 'alerts' })
        await record([draft], write(key, version, { raisedAtMs: env.now() }), { isReserved: true })
        settled.delete(key)
        onFailure(new PolityError('witness.alert', `ALERT (${alert.kind}) ${alert.log}: ${detail}`))
      }),
    settle: (incident) =>
      attempt(async () => {
        const key = keyOf(incident)
        if (settled.has(key)) return
        const { version, value } = await load(key)
        if (value && value.settledAtMs === undefined)
          await record([], write(key, version, { ...value, settledAtMs: env.now() }), { isReserved: true })
        settled.add(key)
      }),
  }
}

const keyOf = ({ kind, log, place }: Incident): string => hash('sha256', `${kind}\n${log}\n${place}`, 'hex')
