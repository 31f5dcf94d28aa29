// Entries in words: who did what, and what the gate said about it, for every type that a hub writes.

import { describe, expect, it } from 'vitest'
import * as records from '../../kernel/catalog/records.ts'
import type { EntryType } from '../../kernel/log/entry.ts'
import { loadContracts } from '../cli/contracts.ts'
import { tellingIn } from './telling.ts'

const { tell, who } = tellingIn((value) =>
  value === undefined || value === null ? '' : typeof value === 'object' ? '(private)' : String(value),
)

const told = (type: string, data: Readonly<Record<string, unknown>>) =>
  tell({ type, subject: 'repository/x', data })

describe('telling an entry', () => {
  it.each([
    [
      'state.document-written@1',
      { namespace: 'team', key: 'plan', value: { $private: 'x' } },
      'wrote team/plan',
    ],
    [
      'mirror.repository-analyzed@1',
      { name: 'polity', health: 58.94, grade: 'U' },
      'analysed polity: health 58.9, grade U',
    ],
    [
      'mirror.repository-analyzed@1',
      { name: 'polity', health: 90, grade: 'A', findings: 1200 },
      'analysed polity: health 90.0, grade A, 1,200 findings',
    ],
    [
      'mirror.repository-analyzed@1',
      { name: 'x', health: null, grade: 'U' },
      'analysed x: health unknown, grade U',
    ],
    [
      'mirror.repository-failed@1',
      { name: 'x', code: 'mirror.timeout' },
      'could not analyse x (mirror.timeout)',
    ],
    [
      'mirror.health-fell@1',
      { name: 'x', health: 59.9, threshold: 70 },
      'found the health of x below 70 (59.9)',
    ],
    ['identity.token-issued@1', { principal: { kind: 'agent', id: 'bot' } }, 'issued a token for agent:bot'],
    [
      'witness.log-admitted@1',
      { origin: 'example.org/log', vkey: 'k' },
      'admitted the log example.org/log for cosigning',
    ],
    [
      'monitor.log-followed@1',
      { origin: 'example.org/log', url: 'https://example.org/log' },
      'started to follow the log example.org/log at https://example.org/log',
    ],
    [
      'archive.version-preserved@1',
      { scroll: 'minutes', version: 2, title: { $private: 'x' } },
      'preserved version 2 of the scroll minutes',
    ],
    [
      'counterparts.requests-forwarded@1',
      { service: 'legio_cognito', keys: ['a', 'b'] },
      'delivered to legio_cognito what was kept for it: 2 requests',
    ],
    [
      'counterparts.requests-retried@1',
      { service: 'legio_cognito', keys: ['a'] },
      'let legio_cognito have again what it did not take: 1 request',
    ],
    [
      'counterparts.requests-dropped@1',
      { service: 'legio_cognito', keys: ['a', 'b'] },
      'forgot what legio_cognito did not take: 2 requests',
    ],
    [
      'mirror.analysis.completed@1',
      { analysis: { analyzed: 1 }, degradationLevel: 'none' },
      'carried the analysis of 1 repository to attestation, archive, dashboard and swarm',
    ],
    ['components.lost@1', { id: 'shop' }, 'lost the component shop, whose lease ran out'],
    [
      'mesh.alert-raised@1',
      { source: 'component:shop', type: 'health.critical' },
      'raised an alert because component:shop published health.critical',
    ],
    ['log.key-rotated@1', { reason: 'scheduled' }, 'handed the log over to a new key'],
    [
      'log.key-rotated@1',
      { reason: 'compromised' },
      'handed the log over to a new key, because the old one was stolen',
    ],
    ['log.key-retired@1', {}, 'retired the old key of the log'],
    ['log.cosigner-named@1', {}, 'named a further key of the log for retained checkpoints'],
    [
      'counterparts.request-kept@1',
      { service: 'legio_cognito', operation: 'archive', code: 'timeout' },
      'kept archive for legio_cognito, which did not take it (timeout)',
    ],
    [
      'mirror.analysis.completed@1',
      { analysis: { analyzed: 2 }, degradationLevel: 'partial', degradationReason: 'by fallback: x' },
      'carried the analysis of 2 repositories to attestation, archive, dashboard and swarm',
    ],
    ['hub.rescued@1', { user: 'root' }, 'was rescued by root'],
    ['witness.log-admitted@1', { origin: 'o' }, 'admitted the log o for cosigning'],
    ['witness.log-dismissed@1', { origin: 'o' }, 'dismissed the log o from cosigning'],
    ['witness.policy-set@1', {}, 'set who must cosign the log'],
    ['monitor.log-followed@1', { origin: 'o', url: 'u' }, 'started to follow the log o at u'],
    ['monitor.log-unfollowed@1', { url: 'u' }, 'stopped following the log at u'],
    ['archive.version-preserved@1', { scroll: 's', version: 2 }, 'preserved version 2 of the scroll s'],
    [
      'archive.copy-damaged@1',
      { scroll: 's', version: 2, copy: 'b', problem: 'corrupt' },
      'found version 2 of the scroll s corrupt in the copy b',
    ],
    [
      'archive.scroll-lost@1',
      { scroll: 's', version: 2 },
      'found no good copy of version 2 of the scroll s any more',
    ],
    ['acme.launched@3', {}, 'acme.launched@3 on repository/x'],
    ['constructor', {}, 'constructor on repository/x'],
  ])('%s', (type, data, what) => expect(told(type, data).what).toBe(what))

  it('says why something was refused or failed, and only then', () => {
    const asked = { action: 'state.put@1', resource: 'state/a', sentence: 'because.' }
    expect(told('action.decided@1', { ...asked, effect: 'allow' })).toEqual({
      what: 'asked for state.put on state/a',
      tone: 'good',
      verdict: 'allowed',
    })
    expect(told('action.decided@1', { ...asked, effect: 'suspended' })).toMatchObject({
      tone: 'wait',
      verdict: 'suspended',
      sentence: 'because.',
    })
    expect(told('action.decided@1', { ...asked, effect: 'denied', count: 14 })).toMatchObject({
      what: 'asked for state.put on state/a 14 times',
      verdict: 'denied',
    })
    const failed = { action: 'x.y@1', status: 'failed', code: 'state.stale', message: 'read it again' }
    expect(told('action.finished@1', failed).sentence).toBe('read it again (state.stale)')
  })

  it('tells an alert loudly, by its kind or as one of a later release', () => {
    const alert = { log: 'example.org/log', detail: 'two roots for size 9', evidence: ['note'] }
    expect(told('log.alert-raised@1', { ...alert, kind: 'fork' })).toEqual({
      what: 'found a fork of the log example.org/log',
      tone: 'bad',
      verdict: 'alert',
      sentence: 'two roots for size 9',
    })
    const ahead = { ...alert, kind: 'witness-ahead', witness: 'w1' }
    expect(told('log.alert-raised@1', ahead).what).toBe(
      'found the witness w1 ahead of the log example.org/log',
    )
    expect(told('log.alert-raised@1', { ...alert, kind: 'eclipse' }).what).toBe(
      'raised the alert eclipse about the log example.org/log',
    )
  })

  it('never calls an archive whole that is not, or that nobody could look into', () => {
    const scrubbed = { versions: 3, damaged: 0, repaired: 0, lost: 0, unreachable: [] }
    expect(told('archive.scrubbed@1', scrubbed)).toMatchObject({ tone: 'good', verdict: 'whole' })
    expect(told('archive.scrubbed@1', { ...scrubbed, damaged: 2, repaired: 1, lost: 1 })).toMatchObject({
      tone: 'bad',
      verdict: '2 damaged, 1 lost',
    })
    expect(told('archive.scrubbed@1', { ...scrubbed, unreachable: ['b'] })).toMatchObject({
      tone: 'bad',
      verdict: '1 copy away',
    })
  })

  it('has words for every entry type that a hub writes', async () => {
    const types = [records, ...(await loadContracts())]
      .flatMap((each) => Object.values(each))
      .filter(isEntryType)
    expect(types.length).toBeGreaterThan(30)
    const unknown = types.map(({ name }) => name).filter((name) => told(name, {}).what.startsWith(name))
    expect(unknown).toEqual([])
  })

  it('reads as one sentence with its verdict, which follows a colon', async () => {
    const types = (await loadContracts()).flatMap((each) => Object.values(each)).filter(isEntryType)
    const loud = types.map(({ name }) => told(name, {})).filter(({ verdict }) => verdict !== undefined)
    expect(loud.length).toBeGreaterThan(10)
    expect(loud.map(({ what }) => what).filter((what) => what.includes(': '))).toEqual([])
  })

  it('takes an effect it does not know for a denial, never for an allowance', () => {
    for (const data of [{}, { effect: 'allowed' }, { effect: 7 }])
      expect(told('action.decided@1', data).verdict).toBe('denied')
  })

  it('names the hub where nobody is named', () => {
    expect(who({})).toBe('the hub')
    expect(who({ actor: 'user:owner > agent:bot' })).toBe('user:owner > agent:bot')
  })
})

const isEntryType = (member: unknown): member is EntryType =>
  typeof member === 'function' && 'kind' in member && member.kind === 'entry-type'
