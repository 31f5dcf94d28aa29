// Attacks by those who may ask for little: scopes that data would get around, facts that nobody decided, replays, forged facts.

import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import type { Caller } from '../../src/kernel/catalog/caller.ts'
import { OWNER } from '../../src/kernel/identity/identity.ts'
import { componentsModule } from '../../src/modules/components/module.ts'
import { meshModule } from '../../src/modules/mesh/module.ts'
import { proceduresModule } from '../../src/modules/procedures/module.ts'
import { schedulesModule } from '../../src/modules/schedules/module.ts'
import { state } from '../../src/modules/state/module.ts'
import { codeOf, entriesOf, openTestHub, owner, settle, tempFolder } from './lab/hubs.ts'
import { asking, caller, eventsOf, openMesh, type Taken } from './lab/mesh.ts'

const ownersTokenFor = (...scopes: string[]): Caller => ({ chain: [OWNER], scopes })
const PUT = { namespace: 'n', key: 'k', value: 1 }

describe('a token for one area', () => {
  const schedule = { name: 's', cron: '0 0 1 1 *', action: 'state.put', input: PUT }
  const procedure = (step: object) => ({ definition: { name: 'p', steps: [{ name: 'a', ...step }] } })

  it('has nothing done elsewhere by a schedule, at its time or now', async () => {
    const hub = await openTestHub('memory', { modules: [state, schedulesModule] })
    const narrow = ownersTokenFor('schedules')
    expect((await hub.invoke(narrow, 'state.put', PUT)).status).toBe('denied')
    for (const action of ['state.put', 'state.put@1'])
      expect(await codeOf(hub.invoke(narrow, 'schedules.put', { ...schedule, action }))).toBe('denied')
    expect(await codeOf(hub.invoke(narrow, 'schedules.trigger', { name: 's' }))).toBe('not-found')
    for (const scope of ['state', 'state.put', 'state.put@1']) {
      const wide = ownersTokenFor('schedules', scope)
      expect(await hub.invoke(wide, 'schedules.put', schedule)).toMatchObject({ status: 'done' })
      expect(await hub.invoke(wide, 'schedules.trigger', { name: 's' })).toMatchObject({ status: 'done' })
    }
    // What its owner has put, whoever may trigger it has done.
    expect(await hub.invoke(narrow, 'schedules.trigger', { name: 's' })).toMatchObject({ status: 'done' })
  })

  it('has nothing done elsewhere by a procedure of its own, its undoing or one that it starts', async () => {
    const hub = await openTestHub('memory', { modules: [state, proceduresModule] })
    const narrow = ownersTokenFor('procedures')
    const put = { kind: 'action', action: 'procedures.retire', input: { name: 'x' } }
    for (const step of [
      { kind: 'action', action: 'state.put', input: PUT },
      { kind: 'action', action: 'token.create@1', input: { kind: 'user', id: 'evil', roles: ['owner'] } },
      { kind: 'query', query: 'state.list', input: { namespace: 'n' } },
      { ...put, undo: { action: 'state.put', input: PUT } },
      { kind: 'parallel', branches: { b: [{ kind: 'action', name: 'c', action: 'state.put', input: PUT }] } },
    ])
      expect(await codeOf(hub.invoke(narrow, 'procedures.define', procedure(step)))).toBe('denied')
    expect(await codeOf(hub.invoke(narrow, 'procedures.start', { name: 'p' }))).toBe('not-found')
    const defining = ownersTokenFor('procedures.define', 'state')
    const writing = procedure({ kind: 'action', action: 'state.put', input: PUT })
    expect(await hub.invoke(defining, 'procedures.define', writing)).toMatchObject({ status: 'done' })
    const starting = { definition: { name: 'q', steps: [{ kind: 'procedure', name: 'a', procedure: 'p' }] } }
    expect(await codeOf(hub.invoke(defining, 'procedures.define', starting))).toBe('denied')
    expect(await hub.invoke(narrow, 'procedures.start', { name: 'p' })).toMatchObject({ status: 'done' })
  })
})

describe('a working command', () => {
  it('answers the same key anew where its answer was private: nothing passes for erased', async () => {
    const { hub, ask } = await openMesh()
    const shop = caller('shop')
    await ask(shop, 'subscribe', { name: 's', types: ['**'] })
    for (const type of ['a.first', 'a.second'])
      await ask(shop, 'publish', { type, privateData: { pin: 'plum' } })
    await settle(hub)
    const take = async () => {
      const answer = await hub.invoke(shop, 'mesh.take', { name: 's', max: 1 }, { key: 'k' })
      return eventsOf((answer as unknown as { output: Taken }).output)
    }
    expect(await take()).toMatchObject([{ type: 'a.first', data: { pin: 'plum' } }])
    expect(await take()).toMatchObject([{ type: 'a.second', data: { pin: 'plum' } }])
  })
})

describe('an event', () => {
  it('does not pass for a fact of a module, whoever publishes or sends it', async () => {
    const hub = await openTestHub('memory', { modules: [state, schedulesModule, meshModule()] })
    const ask = asking(hub)
    const shop = caller('shop')
    for (const type of ['state.document-written@1', 'State.x', 'schedules.set', 'token.created'])
      for (const [action, more] of [
        ['publish', {}],
        ['send', { to: 'user:owner' }],
      ] as const)
        expect(await codeOf(ask(shop, action, { type, ...more }))).toBe('mesh.reserved-type')
    expect(await codeOf(ask(shop, 'publish-legacy', { eventType: 'state.x', payload: 1 }))).toBe(
      'mesh.reserved-type',
    )
    expect(await ask(shop, 'publish', { type: 'states.x' })).toMatchObject({ isDuplicate: false })
    expect(await entriesOf(hub, 'mesh.event-published@1')).toHaveLength(1)
  })
})

describe('a row that is gone', () => {
  it('leaves with time, whatever was put and removed how often', async () => {
    const place = tempFolder()
    const hub = await openTestHub('sqlite', {
      ...place,
      modules: [schedulesModule, state, componentsModule()],
    })
    const act = async (name: string, input: object) =>
      expect(await hub.invoke(owner, name, input)).toMatchObject({ status: 'done' })
    for (const name of ['a', 'b']) {
      await act('schedules.put', { name, cron: '0 0 1 1 *', action: 'state.put', input: PUT })
      await act('schedules.remove', { name })
      await act('components.register', { id: name, version: '1.0.0' })
      await act('components.deregister', { id: name })
    }
    await hub.close()
    const db = new DatabaseSync(join(place.dir, 'log.db'), { readOnly: true })
    const gone = db.prepare('SELECT tbl, expires FROM row WHERE value IS NULL AND tbl GLOB ?')
    for (const area of ['schedules.*', 'components.*']) {
      const rows = gone.all(area)
      expect(rows.length).toBeGreaterThanOrEqual(2)
      for (const row of rows) expect(row).toMatchObject({ expires: expect.any(Number) })
    }
    db.close()
  })
})
