// Commands: analyses of repositories.

import type { CommandGroup } from '../command.ts'
import { time } from '../command-options.ts'

export const repositoriesCommands: CommandGroup = {
  title: 'Repositories:',
  commands: [
    {
      name: 'mirror',
      args: [{ name: '<path...>', help: 'git repositories, or folders in them' }],
      summary: 'Analyses git repositories, attests the result, and shows health, grade, trend and findings.',
      options: [
        {
          flags: '--as-of <time>',
          help: 'judge as of this time, such as 2026-01-31T00:00:00Z (default: the last commit)',
          parse: time('--as-of'),
        },
      ],
      load: () => import('../commands/mirror.ts'),
    },
  ],
}
