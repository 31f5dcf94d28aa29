// From an entry to a message: the CloudEvent that it carries in binary mode, and the place that the sink's template names.

import { hash } from 'node:crypto'
import type { OutgoingMessage } from '../../kernel/broker/broker.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { Entry } from '../../kernel/log/entry.ts'
import { encodeBinary } from '../../kit/cloudevents-http.ts'
import { KitError } from '../../kit/error.ts'
import { bareType, type CloudEvent } from '../mesh/contract.ts'
import { EventReceived } from './facts.ts'

/** Hubs that an event may come through. */
export const HUBS_MAX = 16
const PLAIN_ID = /^[!-~]{1,128}$/
const PLACEHOLDERS = ['type', 'family', 'major', 'source', 'subject', 'lane'] as const
type Placeholder = (typeof PLACEHOLDERS)[number]

/** Given up at once: it would be refused the next time, too. */
export class FinalError extends PolityError {
  readonly isFinal = true
}

/** Throws a FinalError for what is no CloudEvent, or came through too many hubs. */
export function messageOf(entry: Entry, event: CloudEvent, to: string, hub: string): OutgoingMessage {
  const hubs = [...hubsOf(entry), hub]
  if (hubs.length > HUBS_MAX)
    throw new FinalError('broker.loop', `the event has come through ${HUBS_MAX} hubs: it runs in circles`)
  try {
    const { headers, body } = encodeBinary({ ...withUriSource(event), polityhub: hubs.join(',') })
    return { id: messageId(entry), place: placeFor(to, event), headers, body }
  } catch (error) {
    if (!(error instanceof KitError)) throw error
    throw new FinalError('broker.refused', `the event cannot be sent as a CloudEvent: ${error.message}`)
  }
}

/** The same however often it is sent, and of no other event of this log. */
export const messageId = ({ id }: Pick<Entry, 'id'>): string =>
  PLAIN_ID.test(id) ? id : hash('sha256', id, 'hex')

/** The source of a chain holds spaces, which no URI reference does (CloudEvents 1.0, "source"). */
const withUriSource = (event: CloudEvent): CloudEvent => ({
  ...event,
  source: event.source.replace(/[^A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=%]/gu, (character) =>
    encodeURIComponent(character.toWellFormed()),
  ),
})

/** Hubs that an event came through before, where it came through a broker. */
const hubsOf = ({ type, data }: Pick<Entry, 'type' | 'data'>): readonly string[] =>
  type === EventReceived.name && Array.isArray(data.hubs) ? data.hubs.map(String) : []

/** Throws `input.invalid` for a placeholder that is none. */
export function requireTemplate(to: string): void {
  for (const [whole, name = ''] of to.matchAll(/\{([^{}]*)\}/g))
    if (!PLACEHOLDERS.includes(name as Placeholder))
      throw new PolityError(
        'input.invalid',
        `/to cannot hold ${whole.slice(0, 64)}: there are ${PLACEHOLDERS.map((each) => `{${each}}`).join(', ')}`,
      )
  if (/[{}]/.test(to.replace(/\{[^{}]*\}/g, '')) || /[\s\p{Cc}*>]/u.test(to))
    throw new PolityError(
      'input.invalid',
      '/to cannot hold spaces, *, >, or a brace that is not of a placeholder',
    )
}

/** What the event says becomes words of letters, digits, `-` and `_`: no dot, wildcard or brace of its own. */
export function placeFor(to: string, event: CloudEvent): string {
  const { bare, major } = bareType(event.type)
  const values: Readonly<Record<Placeholder, string>> = {
    // Its dots are levels of a subject.
    type: bare.split('.').map(word).join('.'),
    family: word(bare.split('.')[0] ?? ''),
    major: word(String(major)),
    source: word(event.source),
    subject: word(event.subject ?? ''),
    lane: word(typeof event.lane === 'string' ? event.lane : 'normal'),
  }
  return to.replace(/\{([a-z]+)\}/g, (_, name: Placeholder) => values[name])
}

const WORD_MAX_CHARS = 64

const word = (text: string): string => text.slice(0, WORD_MAX_CHARS).replace(/[^A-Za-z0-9_-]/g, '-') || '-'

/** Every place that a template can lead to, as a pattern of subjects. */
export const patternOf = (to: string): string =>
  to.endsWith('{type}')
    ? `${to.slice(0, -'{type}'.length).replace(/\{[a-z]+\}/g, '*')}>`
    : to.replace(/\{[a-z]+\}/g, '*')
