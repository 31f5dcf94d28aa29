// The procedure that docs/procedures.md shows can be defined, and does what the page says.

import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { proceduresModule } from '../../src/modules/procedures/module.ts'
import { STEP_SCHEMAS } from '../../src/modules/procedures/steps.ts'
import { state } from '../../src/modules/state/module.ts'
import { openTestHub, owner } from './lab/hubs.ts'

const page = readFileSync('docs/procedures.md', 'utf8')
const [rollout = ''] = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text]) => text)

it('goes through every kind of step', async () => {
  for (const kind of Object.keys(STEP_SCHEMAS)) {
    expect(rollout).toContain(`kind: ${kind}`)
    expect(page).toContain(`| \`${kind}\` |`)
  }
  const hub = await openTestHub('memory', { modules: [state, proceduresModule] })
  const act = async (action: string, input: unknown) => {
    const answer = await hub.invoke(owner, action, input, { wait: action !== 'procedures.start' })
    return 'run' in answer ? String(answer.run) : ''
  }
  const note = {
    name: 'note',
    steps: [
      {
        kind: 'action',
        name: 'write',
        action: 'state.put',
        input: { namespace: 'notes', key: 'last', value: { $ref: '/input/text' } },
      },
    ],
  }
  await act('procedures.define', { definition: note })
  await act('procedures.define', { text: rollout })
  const run = await act('procedures.start', {
    name: 'rollout',
    input: { version: '1.4.0', hosts: ['a', 'b'] },
  })
  await act('runs.signal', { run, name: 'go-ahead', payload: 'ship it' })
  await expect
    .poll(() => hub.run(owner, run), { timeout: 20_000 })
    .toMatchObject({
      status: 'done',
      output: { output: { hosts: [{ key: 'a', value: '1.4.0' }, { key: 'b' }] } },
    })
  const { output } = await hub.ask(owner, 'state.get', { namespace: 'notes', key: 'last' })
  expect(output).toMatchObject({ value: 'ship it' })
})
