// The CLI door: a line of words in, an exit code out.

import process from 'node:process'
import { type Command, CommanderError } from 'commander'
import type { Ports } from './command.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import { reportFailure } from './failure.ts'
import { buildProgram, type Perform, plainLine } from './program.ts'
import { lineSettings, settingsOf, sourcesOf } from './settings.ts'
import { onClosedPipe, processTerminal } from './terminal.ts'

/** Runs one line to its end. Never rejects: what fails is reported on stderr. */
export async function runCli(line: readonly string[], ports: Ports): Promise<ExitCode> {
  const terminal = processTerminal()
  let exitCode: ExitCode = EXIT.ok
  let running: Command | undefined
  onClosedPipe(() => running?.name() === 'up')
  const perform: Perform = async (run, command, args, isConfigured = false) => {
    running = command
    const settings = isConfigured ? lineSettings(command) : await settingsOf(command, ports.loadSettings)
    const sources = async () => sourcesOf(command, await ports.loadSettings())
    exitCode = await run({ args, options: command.opts(), settings, sources, terminal, ports })
  }
  const report = (error: unknown): ExitCode => {
    // Help and the version were shown.
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok
    const isJson = running === undefined ? line.includes('--json') : lineSettings(running).isJson
    return reportFailure(error, { terminal, isJson, isDebug: running?.opts().logLevel === 'debug' })
  }
  // What nobody caught ends the process all the same, but in words.
  process.once('uncaughtException', (error) => process.exit(report(error)))
  try {
    const program = await buildProgram(line, ports.release, perform)
    await program.parseAsync([...plainLine(program, line)], { from: 'user' })
    return exitCode
  } catch (thrown) {
    return report(thrown)
  }
}
