// Procedures in a hub: defined, started, interrupted, changed, cyclic, and never more than their caller may do.

import { describe, expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import type { Caller } from '../../src/kernel/catalog/caller.ts'
import { proceduresModule } from '../../src/modules/procedures/module.ts'
import { state } from '../../src/modules/state/module.ts'
import { begin, calls, flow, outcome, told } from './lab/flow.ts'
import { codeOf, ENGINES, entriesOf, errorOf, openTestHub, owner, somebody, tempFolder } from './lab/hubs.ts'

const modules = [state, proceduresModule]

async function act(hub: Hub, action: string, input: unknown, caller: Caller = owner): Promise<never> {
  const answer = await hub.invoke(caller, action, input)
  if (answer.status !== 'done') throw new Error(answer.status)
  return answer.output as never
}
const define = (hub: Hub, definition: unknown) => act(hub, 'procedures.define', { definition })
const run = async (hub: Hub, name: string, input: unknown = {}, caller: Caller = owner) =>
  (await act(hub, 'procedures.start', { name, input }, caller)) as { output: unknown; digest: string }
const read = async (hub: Hub, key: string) =>
  (await hub.ask(owner, 'state.get', { namespace: 'n', key })).output as { value: unknown; version: number }

/** Looks again whenever something was published since. */
async function until(hub: Hub, holds: () => Promise<boolean>): Promise<void> {
  for (;;) {
    const { size } = hub.log.head()
    if (await holds()) return
    await hub.log.published(size + 1)
  }
}

/** Whether the run has come by the step. */
async function journalHas(hub: Hub, run: string, step: string): Promise<boolean> {
  const { output } = await hub.ask(owner, 'runs.journal', { run })
  return (output as { items: { name: string }[] }).items.some(({ name }) => name === step)
}

const THEN = 'then'
const ref = ($ref: string) => ({ $ref })
const put = (name: string, key: unknown, value: unknown, more: object = {}) => ({
  kind: 'action',
  name,
  action: 'state.put',
  input: { namespace: 'n', key, value },
  ...more,
})

const WELCOME = `
name: welcome
summary: Writes one document per name.
inputs: [names]
steps:
  - kind: foreach
    name: each
    items: { $ref: /input/names }
    steps:
      - kind: action
        name: write
        action: state.put
        input: { namespace: n, key: { $ref: /item }, value: { number: { $ref: /index } } }
  - { kind: query, name: check, query: state.list, input: { namespace: n } }
output: { $ref: /steps/check/output/items/0/key }
`

describe.each(ENGINES)('a procedure (%s)', (engine) => {
  it('is defined as text, started, listed and retired', async () => {
    const hub = await openTestHub(engine, { modules })
    const defined: { digest: string; isChanged: boolean } = await act(hub, 'procedures.define', {
      text: WELCOME,
    })
    expect(defined).toMatchObject({ name: 'welcome', isChanged: true })
    expect(await act(hub, 'procedures.define', { text: `# the same\n${WELCOME}` })).toEqual({
      ...defined,
      isChanged: false,
    })
    expect(await run(hub, 'welcome', { names: ['ann', 'bob'] })).toEqual({
      name: 'welcome',
      digest: defined.digest,
      output: 'ann',
    })
    expect((await read(hub, 'bob')).value).toEqual({ number: 1 })
    const { output } = await hub.ask(owner, 'procedures.list', {})
    expect(output).toMatchObject({
      items: [{ name: 'welcome', isRetired: false, summary: 'Writes one document per name.' }],
    })
    const retired = await act(hub, 'procedures.retire', { name: 'welcome', reason: 'done with it' })
    expect(retired).toMatchObject({ isRetired: true, reason: 'done with it' })
    const { output: shown } = await hub.ask(owner, 'procedures.get', { name: 'welcome' })
    expect(shown).toMatchObject({ ...(retired as object), retiredAt: expect.stringMatching(/Z$/) })
    expect(await codeOf(run(hub, 'welcome', { names: [] }))).toBe('procedures.retired')
    expect(await codeOf(act(hub, 'procedures.retire', { name: 'welcome' }))).toBe('procedures.retired')
    expect(await act(hub, 'procedures.define', { text: WELCOME })).toMatchObject({ isChanged: true })
    expect(await entriesOf(hub, 'procedures.defined@1')).toHaveLength(2)
  })

  it('says with line and column what is wrong', async () => {
    const hub = await openTestHub(engine, { modules })
    const error = await errorOf(
      act(hub, 'procedures.define', {
        text: WELCOME.replace('state.put', 'state.putt').replace('/index', '/indx'),
      }),
    )
    expect(error.code).toBe('input.invalid')
    expect(error.facts.violations).toEqual([
      expect.objectContaining({ pointer: '/steps/0/steps/0/action', line: 12, column: 9 }),
      expect.objectContaining({ pointer: '/steps/0/steps/0/input/value/number/$ref', line: 13 }),
    ])
    for (const input of [
      {},
      { text: 'a', definition: {} },
      { text: '' },
      { text: '[' },
      { definition: null },
      { definition: 'x' },
    ])
      expect(await codeOf(act(hub, 'procedures.define', input))).toBe('input.invalid')
    const huge = { name: 'p', steps: [put('a', 'k', 'x'.repeat(60_000))] }
    expect(await codeOf(define(hub, huge))).toBe('input.invalid')
    expect(await codeOf(run(hub, 'nosuch'))).toBe('not-found')
  })
})

describe('a condition', () => {
  const isGiven = { ref: '/input/keys', is: 'exists' }
  const writeEach = (name: string) => ({
    kind: 'foreach',
    name,
    items: ref('/input/keys'),
    steps: [put('write', ref('/item'), 1)],
  })
  const decides = (name: string, ...steps: object[]) => ({
    kind: 'condition',
    name,
    if: { not: { not: isGiven } },
    [THEN]: steps,
  })

  it('holds loops, branches and further conditions, and its replay comes by them all', async () => {
    const hub = await openTestHub('memory', { modules })
    await define(hub, {
      name: 'choosing',
      steps: [
        decides(
          'outer',
          writeEach('loop'),
          {
            kind: 'parallel',
            name: 'both',
            branches: { left: [decides('deep', writeEach('again'))], right: [put('r', 'right', 1)] },
          },
          decides('inner', writeEach('more')),
        ),
        writeEach('loop'),
      ],
    })
    await run(hub, 'choosing', { keys: ['a', 'b'] })
    expect((await read(hub, 'b')).version).toBe(4)
    expect((await read(hub, 'right')).version).toBe(1)
    const { output } = await hub.ask(owner, 'runs.list', { action: 'procedures.start' })
    const [found] = (output as { items: { run: string }[] }).items
    expect((await hub.ask(owner, 'runs.replay', { run: found?.run })).output).toMatchObject({ isSame: true })
  })
})

describe('a procedure that starts others', () => {
  const starts = (name: string, ...others: string[]) => ({
    name,
    steps: others.map((procedure) => ({ kind: 'procedure', name: `to-${procedure}`, procedure })),
  })

  it('hands its results on, each start decided on its own', async () => {
    const hub = await openTestHub('memory', { modules })
    await define(hub, {
      name: 'inner',
      steps: [put('w', ref('/input/key'), 1)],
      output: ref('/steps/w/output/version'),
    })
    await define(hub, {
      name: 'outer',
      steps: [{ kind: 'procedure', name: 'go', procedure: 'inner', input: { key: ref('/input/k') } }],
    })
    expect((await run(hub, 'outer', { k: 'x' })).output).toEqual({ go: 1 })
    const decided = (await entriesOf(hub, 'action.decided@1')).map(({ data }) => data.resource)
    expect(decided).toContain('procedures/inner')
  })

  it('never goes in a circle, and never to one that is not there', async () => {
    const hub = await openTestHub('memory', { modules })
    expect(await codeOf(define(hub, starts('a', 'a')))).toBe('input.invalid')
    expect(await codeOf(define(hub, starts('a', 'b')))).toBe('input.invalid')
    await define(hub, starts('a'))
    await define(hub, starts('b', 'a'))
    await define(hub, starts('c', 'b'))
    const error = await errorOf(define(hub, starts('a', 'c')))
    expect(error.message).toContain('a -> c -> b -> a')
    await act(hub, 'procedures.retire', { name: 'a' })
    expect(await codeOf(define(hub, starts('d', 'a')))).toBe('input.invalid')
  })

  it('never becomes a circle by two definitions at once', async () => {
    const hub = await openTestHub('memory', { modules })
    await define(hub, starts('a'))
    await define(hub, starts('b'))
    const codes = await Promise.all(
      [starts('a', 'b'), starts('b', 'a')].map((each) =>
        define(hub, each).then(
          () => 'done',
          ({ code }) => code,
        ),
      ),
    )
    expect(codes.sort()).toEqual(['done', 'input.invalid'])
  })
})

describe('what goes wrong', () => {
  it('is the caller’s own denial, in whose name every step acts', async () => {
    const hub = await openTestHub('memory', { modules })
    await define(hub, {
      name: 'sly',
      steps: [{ kind: 'action', name: 'a', action: 'procedures.retire', input: { name: 'sly' } }],
    })
    expect(await codeOf(run(hub, 'sly', {}, somebody))).toBe('denied')
    const asked = await hub.invoke(somebody, 'procedures.define', { text: WELCOME })
    expect(asked.status).toBe('denied')
    expect((await run(hub, 'sly')).output).toMatchObject({ a: { isRetired: true } })
  })

  it('is undone in reverse order, with what the steps had answered', async () => {
    const hub = await openTestHub('memory', { modules })
    const undo = { action: 'state.put', input: { namespace: 'n', key: 'undone', value: ref('/output/key') } }
    await define(hub, {
      name: 'risky',
      steps: [
        put('one', 'first', 1, { undo }),
        put('two', 'second', 1, { undo }),
        { kind: 'query', name: 'three', query: 'state.get', input: { namespace: 'n', key: 'nosuch' } },
      ],
    })
    expect(await codeOf(run(hub, 'risky'))).toBe('not-found')
    expect(await read(hub, 'undone')).toMatchObject({ value: 'first', version: 2 })
  })

  it('is undone by actions when it is cancelled, and its replay knows them for what they are', async () => {
    const hub = await openTestHub('memory', { modules })
    const undo = (key: string) => ({
      action: 'state.put',
      input: { namespace: 'n', key: `no ${key}`, value: ref('/output/key') },
    })
    await define(hub, {
      name: 'patient',
      steps: [
        put('one', 'first', 1, { undo: undo('first') }),
        {
          kind: 'parallel',
          name: 'both',
          branches: {
            left: [put('l', 'left', 1, { undo: undo('left') })],
            right: [put('r', 'right', 1, { undo: undo('right') })],
          },
        },
        { kind: 'signal', name: 'go' },
      ],
    })
    const ended = codeOf(run(hub, 'patient'))
    const theRun = async () => {
      const { output } = await hub.ask(owner, 'runs.list', { action: 'procedures.start@1' })
      return (output as { items: { run: string; waitsFor?: unknown }[] }).items[0]
    }
    await until(hub, async () => {
      const found = await theRun()
      return found !== undefined && (await journalHas(hub, found.run, 'go'))
    })
    const { run: id } = (await theRun()) ?? { run: '' }
    await hub.invoke(owner, 'runs.cancel', { run: id, reason: 'enough' })
    expect(await ended).toBe('run.cancelled')
    const { output } = await hub.ask(owner, 'runs.get', { run: id })
    expect(output).toMatchObject({ status: 'cancelled' })
    expect(output).not.toHaveProperty('notUndone')
    for (const key of ['first', 'left', 'right'])
      expect((await read(hub, `no ${key}`)).value, `what undoes ${key}`).toBe(key)
    expect((await hub.ask(owner, 'runs.replay', { run: id })).output).toMatchObject({ isSame: true })
  })

  it.each([
    ['done', { kind: 'query', name: 'last', query: 'state.list', input: { namespace: 'n' } }, 'done'],
    [
      'failed',
      { kind: 'query', name: 'last', query: 'state.get', input: { namespace: 'n', key: 'x' } },
      'failed',
    ],
  ])(
    'is replayed as it went, with branches and what undid them, when it is %s',
    async (_end, last, status) => {
      const hub = await openTestHub('memory', { modules })
      const undo = { action: 'state.put', input: { namespace: 'n', key: 'undone', value: 1 } }
      const branch = (name: string) => [put(name, name, 1, { undo }), put(`${name}-again`, name, 2)]
      await define(hub, {
        name: 'branched',
        steps: [
          { kind: 'parallel', name: 'both', branches: { left: branch('left'), right: branch('right') } },
          last,
        ],
      })
      await run(hub, 'branched').catch(() => undefined)
      const { output: listed } = await hub.ask(owner, 'runs.list', { action: 'procedures.start@1' })
      const [found] = (listed as { items: { run: string; status: string }[] }).items
      expect(found).toMatchObject({ status })
      const { output } = await hub.ask(owner, 'runs.replay', { run: found?.run })
      expect(output).toMatchObject({ isSame: true })
    },
  )

  it('is undone by a run that is asked for again as often as the step allows', async () => {
    const hub = await openTestHub('memory', { modules })
    await define(hub, {
      name: 'restore',
      steps: [
        put('count', 'tries', ref('/run/id')),
        { kind: 'query', name: 'fails', query: 'state.get', input: { namespace: 'n', key: 'nosuch' } },
      ],
    })
    await define(hub, {
      name: 'fragile',
      steps: [
        put('one', 'k', 1, {
          undo: { action: 'procedures.start', input: { name: 'restore' } },
          retry: { attemptsMax: 3, baseMs: 0, capMs: 0 },
        }),
        { kind: 'query', name: 'fails', query: 'state.get', input: { namespace: 'n', key: 'nosuch' } },
      ],
    })
    expect(await codeOf(run(hub, 'fragile'))).toBe('not-found')
    expect((await read(hub, 'tries')).version).toBe(3)
    const { output } = await hub.ask(owner, 'runs.list', { status: 'failed' })
    expect((output as { items: { notUndone?: unknown }[] }).items.at(-1)?.notUndone).toEqual(['one'])
  })

  it('happens again where the same is asked by two steps, by two items, and after a failure', async () => {
    const hub = await openTestHub('memory', { modules })
    await define(hub, {
      name: 'twice',
      steps: [
        put('one', 'k', 'same'),
        put('two', 'k', 'same'),
        { kind: 'foreach', name: 'three', items: [1, 1], steps: [put('w', 'k', 'same')] },
      ],
    })
    await run(hub, 'twice')
    expect((await read(hub, 'k')).version).toBe(4)
    await define(hub, {
      name: 'counting',
      steps: [
        put('w', 'tries', 'same'),
        { kind: 'query', name: 'fails', query: 'state.get', input: { namespace: 'n', key: 'nosuch' } },
      ],
    })
    await define(hub, {
      name: 'stubborn',
      steps: [
        {
          kind: 'procedure',
          name: 'try',
          procedure: 'counting',
          retry: { attemptsMax: 3, baseMs: 0, capMs: 0 },
          onError: 'continue',
        },
      ],
    })
    expect((await run(hub, 'stubborn')).output).toEqual({ try: null })
    expect((await read(hub, 'tries')).version).toBe(3)
  })

  it('is not asked for anew where a person has to say first what became of it', async () => {
    const folder = tempFolder()
    const reached = calls()
    const flowing = flow((ctx) =>
      ctx.step('pay', () => {
        reached.call()
        return new Promise(() => undefined)
      }),
    )
    const open = () => openTestHub('sqlite', { ...folder, modules: [...modules, flowing] })
    const first = await open()
    await define(first, {
      name: 'paying',
      steps: [
        {
          kind: 'action',
          name: 'pay',
          action: 'flow.play-once',
          retry: { attemptsMax: 5, baseMs: 0, capMs: 0 },
        },
      ],
    })
    const id = await begin(first, owner, 'procedures.start', { name: 'paying' } as never)
    await reached.reached
    await first.close()
    const second = await open()
    await told(second, 'run.parked@1', id)
    const payments = async () =>
      (await second.ask(owner, 'runs.list', { action: 'flow.play-once' })).output as {
        items: { run: string; status: string }[]
      }
    const [payment] = (await payments()).items
    expect(payment).toMatchObject({ status: 'unknown' })
    await act(second, 'runs.resolve', { run: payment?.run, step: 'pay', result: 'paid' })
    await outcome(second, payment?.run ?? '', 2)
    await act(second, 'runs.resume', { run: id })
    expect(await outcome(second, id)).toMatchObject({ status: 'done' })
    expect((await payments()).items).toMatchObject([{ run: payment?.run, status: 'done' }])
  })

  it('keeps the input out of the log', async () => {
    const hub = await openTestHub('memory', { modules })
    await define(hub, { name: 'quiet', steps: [put('w', 'k', ref('/input/word'))] })
    await run(hub, 'quiet', { word: 'a-word-that-nobody-else-may-read' })
    expect(JSON.stringify(await entriesOf(hub))).not.toContain('nobody-else')
    expect((await read(hub, 'k')).value).toBe('a-word-that-nobody-else-may-read')
  })
})

describe('a start that names the digest of what it was meant for', () => {
  it('carries that out, or nothing', async () => {
    const hub = await openTestHub('memory', { modules })
    await define(hub, { name: 'p', steps: [put('a', 'k', 'meant')] })
    const { digest } = await run(hub, 'p')
    await define(hub, { name: 'p', steps: [put('a', 'k', 'slipped in')] })
    const start = { name: 'p', digest }
    expect(await errorOf(hub.invoke(owner, 'procedures.start', start))).toMatchObject({
      code: 'expectation.failed',
      facts: { name: 'p', expected: digest },
    })
    expect(await read(hub, 'k')).toMatchObject({ value: 'meant', version: 1 })
    await define(hub, { name: 'p', steps: [put('a', 'k', 'meant')] })
    expect(await act(hub, 'procedures.start', start)).toMatchObject({ digest })
    expect(await read(hub, 'k')).toMatchObject({ value: 'meant', version: 2 })
  })
})

describe('an interruption', () => {
  const LONG = {
    name: 'long',
    steps: [
      {
        kind: 'foreach',
        name: 'each',
        items: [1, 2, 3],
        steps: [put('w', 'count', ref('/item')), { kind: 'signal', name: 'go' }],
      },
    ],
  }

  async function interrupted(folder: { dir: string; anchorPath: string }) {
    const hub = await openTestHub('sqlite', { modules, ...folder })
    await define(hub, LONG)
    const started = await hub.invoke(owner, 'procedures.start', { name: 'long' }, { wait: false })
    if (started.status !== 'running') throw new Error(started.status)
    await written(hub, 1)
    await hub.close()
    return started.run
  }
  const written = (hub: Hub, value: number) =>
    until(hub, async () => (await read(hub, 'count').catch(() => undefined))?.value === value)
  const go = (hub: Hub, id: string) => act(hub, 'runs.signal', { run: id, name: 'go' })

  it('in the middle of a foreach goes on behind the last step', async () => {
    const { dir, anchorPath } = tempFolder()
    const id = await interrupted({ dir, anchorPath })
    const hub = await openTestHub('sqlite', { modules, dir, anchorPath })
    await go(hub, id)
    await written(hub, 2)
    await go(hub, id)
    await written(hub, 3)
    await go(hub, id)
    await until(hub, async () => (await hub.run(owner, id)).status === 'done')
    expect((await read(hub, 'count')).version).toBe(3)
  })

  it('is parked when its definition was changed meanwhile, and goes on when it is back', async () => {
    const { dir, anchorPath } = tempFolder()
    const id = await interrupted({ dir, anchorPath })
    const hub = await openTestHub('sqlite', { modules, dir, anchorPath })
    await define(hub, { ...LONG, summary: 'another one' })
    await hub.close()
    const later = await openTestHub('sqlite', { modules, dir, anchorPath })
    await until(later, async () => (await entriesOf(later, 'run.parked@1')).length > 0)
    const answer = await later.run(owner, id)
    expect(answer).toMatchObject({ status: 'running', parked: expect.stringContaining('was changed') })
    await define(later, LONG)
    await act(later, 'runs.resume', { run: id })
    await go(later, id)
    await written(later, 2)
  })
})
