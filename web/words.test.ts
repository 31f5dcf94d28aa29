// Entries in words: who, what, and what the gate said about it.

import { describe, expect, it } from 'vitest'
import { agoOf } from './numbers.ts'
import { readCheckpoint, readEntry, readRepository } from './shapes.ts'
import { tell, who } from './words.ts'

const entry = (type: string, data: Readonly<Record<string, unknown>>) =>
  readEntry({ seq: 7, type, data, actor: 'user:owner > agent:bot', subject: 'state/jobs' })

describe('telling an entry', () => {
  it('tells a decision with its sentence only when it is no routine', () => {
    const decided = { action: 'state.put@1', resource: 'state/jobs', sentence: 'because of rule 1.' }
    expect(tell(entry('action.decided@1', { ...decided, effect: 'allow' }))).toEqual({
      what: 'asked for state.put on state/jobs',
      tone: 'good',
      verdict: 'allowed',
    })
    expect(tell(entry('action.decided@1', { ...decided, effect: 'denied', count: 14 }))).toEqual({
      what: 'asked for state.put on state/jobs 14 times',
      tone: 'bad',
      verdict: 'denied',
      sentence: 'because of rule 1.',
    })
    expect(tell(entry('action.decided@1', { ...decided, effect: 'suspended' })).tone).toBe('wait')
  })

  it('takes an effect it does not know for a denial, never for an allowance', () => {
    expect(tell(entry('action.decided@1', { effect: 'permitted?' })).verdict).toBe('denied')
    expect(tell(entry('action.decided@1', {})).verdict).toBe('denied')
  })

  it('says why an action failed', () => {
    const failed = { action: 'state.put@1', status: 'failed', code: 'state.stale', message: 'read it again' }
    expect(tell(entry('action.finished@1', failed)).sentence).toBe('state.stale: read it again')
  })

  it('says that health is low without knowing whether it was ever higher', () => {
    const told = tell(entry('mirror.health-fell@1', { name: 'polity', health: 59.9, threshold: 70 }))
    expect(told).toMatchObject({ what: 'found the health of polity below 70 (59.9)', verdict: 'alert' })
  })

  it('tells an alert loudly, by its kind or as one of a later release', () => {
    const alert = { log: 'example.org/log', detail: 'two roots for size 9', evidence: ['note'] }
    expect(tell(entry('log.alert-raised@1', { ...alert, kind: 'fork' }))).toEqual({
      what: 'found a fork of the log example.org/log',
      tone: 'bad',
      verdict: 'alert',
      sentence: 'two roots for size 9',
    })
    expect(tell(entry('log.alert-raised@1', { ...alert, kind: 'eclipse' })).what).toBe(
      'raised the alert eclipse about the log example.org/log',
    )
  })

  it('never calls an archive whole that is not, or that nobody could look into', () => {
    const scrubbed = { versions: 3, damaged: 0, repaired: 0, lost: 0, unreachable: [] }
    expect(tell(entry('archive.scrubbed@1', scrubbed)).verdict).toBe('whole')
    expect(tell(entry('archive.scrubbed@1', { ...scrubbed, damaged: 2, lost: 1 })).tone).toBe('bad')
    expect(tell(entry('archive.scrubbed@1', { ...scrubbed, unreachable: ['b'] })).tone).toBe('bad')
  })

  it.each([
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
  ])('has words for %s', (type, data, what) => expect(tell(entry(type, data)).what).toBe(what))

  it('names a type that it does not know, and the subject', () => {
    expect(tell(entry('acme.launched@3', {})).what).toBe('acme.launched@3 on state/jobs')
    expect(tell(entry('constructor', {})).what).toBe('constructor on state/jobs')
  })

  it('names the whole chain, or the hub when nobody is named', () => {
    expect(who(entry('x.y@1', {}))).toBe('user:owner > agent:bot')
    expect(who(readEntry({ seq: 0, type: 'log.opened@1' }))).toBe('the hub')
  })
})

describe('reading', () => {
  it('takes the history of the latest formula only', () => {
    const history = [
      { asOf: '2026-01-01T00:00:00Z', health: 90, formula: 'health/0' },
      { asOf: '2026-02-01T00:00:00Z', health: null, formula: 'health/1' },
      { asOf: '2026-03-01T00:00:00Z', health: 71, formula: 'health/1' },
    ]
    const { summary } = readRepository({ name: 'a', grade: 'B', history })
    expect(summary?.history).toEqual([{ asOf: '2026-03-01T00:00:00Z', health: 71 }])
  })

  it('gives a repository that was never analysed no summary, and an unknown grade U', () => {
    const failure = { code: 'mirror.timeout', message: { $erased: 'x' }, at: '2026-03-01T00:00:00Z' }
    expect(readRepository({ name: 'a', failure })).toEqual({
      name: 'a',
      path: '',
      failure: { ...failure, message: '(erased)' },
    })
    expect(readRepository({ name: 'a', grade: 'Z', health: '100' }).summary).toMatchObject({
      grade: 'U',
      health: null,
    })
  })

  it('reads a checkpoint by its first three lines, and nothing else as one', () => {
    const rootHash = `${'A'.repeat(43)}=`
    expect(readCheckpoint(`polity.example/log\n12\n${rootHash}\n\n— sig\n`)).toEqual({
      origin: 'polity.example/log',
      size: 12,
      rootHash,
    })
    for (const wrong of ['', 'a\n1', `a\n-1\n${rootHash}\n`, 'a\n1\nnot base64\n', `a\n1e3\n${rootHash}\n`])
      expect(readCheckpoint(wrong)).toBeUndefined()
  })
})

describe('how long ago', () => {
  it.each([
    [0, 'just now'],
    [-5_000, 'just now'],
    [59_000, '59 s ago'],
    [3_600_000 - 1, '59 min ago'],
    [47 * 3_600_000, '1 d ago'],
    [40 * 86_400_000, '5 wk ago'],
    [800 * 86_400_000, '2023-09-12'],
    [-3_600_000, '2025-11-20'],
  ])('%i ms is %s', (agoMs, said) => {
    const now = Date.UTC(2025, 10, 20)
    expect(agoOf(now - agoMs, now)).toBe(said)
  })
})
