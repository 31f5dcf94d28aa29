// What is recorded about the hub and whoever may use it, in words: starts, configuration, tokens, documents.

import { type Json, list, record } from './json.ts'
import type { Pen, Tellers, Text } from './pen.ts'
import { plain, type Told } from './told.ts'

export function hubWords(pen: Pen): Tellers {
  const { text } = pen
  return {
    'system.booted@1': (data) => tellBoot(data, pen),
    'config.changed@1': (data) => tellConfiguration(data, pen),
    'state.document-written@1': ({ namespace, key }) => plain(`wrote ${text(namespace)}/${text(key)}`),
    'identity.token-issued@1': ({ principal }) => plain(`issued a token${forPrincipal(principal, text)}`),
    'identity.token-revoked@1': ({ id }) => plain(`revoked the token ${text(id)}`),
    'identity.session-opened@1': () => plain('signed a browser in'),
    'hub.rescued@1': ({ user }) => ({ what: `was rescued by ${text(user)}`, tone: 'bad', verdict: 'rescue' }),
  }
}

function tellBoot({ release, stages }: Json, { text }: Pen): Told {
  const fallen = list(stages)
    .map(record)
    .filter(({ status }) => status !== 'passed')
  const what = `started with release ${text(release)}`
  if (fallen.length === 0) return plain(what)
  return {
    what: `${what}, without ${fallen.map(({ stage }) => text(stage)).join(', ')}`,
    tone: 'bad',
    verdict: 'degraded',
  }
}

function tellConfiguration({ cause, changes, reason }: Json, { text, sentenceOf }: Pen): Told {
  const keys = list(changes)
    .map((each) => text(record(each).key))
    .join(', ')
  if (cause !== 'rolled-back') return plain(`changed the configuration: ${keys}`)
  return {
    what: `took the configuration back: ${keys}`,
    tone: 'bad',
    verdict: 'rolled back',
    ...sentenceOf(reason),
  }
}

function forPrincipal(principal: unknown, text: Text): string {
  const { kind, id } = record(principal)
  return id === undefined ? '' : ` for ${text(kind)}:${text(id)}`
}
