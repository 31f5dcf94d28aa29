// Commands: any action or query, by name.

import type { CommandGroup } from '../command.ts'
import { INPUT } from '../command-options.ts'

export const anyCommands: CommandGroup = {
  title: 'Any action or query:',
  commands: [
    {
      name: 'action',
      args: [{ name: '<name>', help: 'name of the action, such as state.put' }],
      summary: 'Asks for any action by name.',
      options: [INPUT],
      load: () => import('../commands/action.ts'),
    },
    {
      name: 'query',
      args: [{ name: '<name>', help: 'name of the query, such as state.list' }],
      summary: 'Asks any query by name.',
      options: [INPUT],
      load: () => import('../commands/query.ts'),
    },
  ],
}
