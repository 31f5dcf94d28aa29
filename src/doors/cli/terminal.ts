// The two streams of the process: data on stdout, everything else on stderr; each may be a terminal, a pipe or closed.

import process from 'node:process'
import { createInterface } from 'node:readline/promises'
import { styleText } from 'node:util'
import type { ProgressSink } from './progress-bar.ts'

type Style = Parameters<typeof styleText>[0]

export interface Terminal {
  /** A line of data. Resolves when the stream can take more, so that a slow reader slows the writer. */
  data(line: string): Promise<void>
  /** A line for people. */
  note(line: string): void
  /** Columns of stdout; undefined when it is no terminal. */
  readonly width: number | undefined
  /** Styled where the stream shows styles and NO_COLOR does not forbid it. */
  styleData(style: Style, text: string): string
  styleNote(style: Style, text: string): string
  readonly progress: ProgressSink
  /** Whether somebody can be asked. */
  readonly canAsk: boolean
  /** True for a yes. */
  ask(question: string): Promise<boolean>
}

const WIDTH_MIN = 20
const WIDTH_USUAL = 80

/** Some terminals say that they have no columns at all. */
const widthOf = ({ columns }: { readonly columns?: number }): number =>
  Math.max(WIDTH_MIN, columns || WIDTH_USUAL)

export function processTerminal(): Terminal {
  const { stdin, stdout, stderr } = process
  return {
    data: (line) =>
      new Promise((resolve) => {
        if (stdout.write(`${line}\n`) || stdout.destroyed) resolve()
        else stdout.once('drain', resolve)
      }),
    note: (line) => void stderr.write(`${line}\n`),
    get width() {
      return stdout.isTTY ? widthOf(stdout) : undefined
    },
    styleData: (style, text) => styleText(style, text, { stream: stdout }),
    styleNote: (style, text) => styleText(style, text, { stream: stderr }),
    progress: {
      isTerminal: stderr.isTTY === true,
      get columns() {
        return widthOf(stderr)
      },
      write: (text) => void stderr.write(text),
    },
    canAsk: stdin.isTTY === true && stderr.isTTY === true,
    async ask(question) {
      const lines = createInterface({ input: stdin, output: stderr })
      try {
        return /^y(es)?$/i.test((await lines.question(`${question} [y/N] `)).trim())
      } finally {
        lines.close()
      }
    },
  }
}

/**
 * A reader that has seen enough closes the pipe (`| head`): that ends a command quietly. A hub goes on
 * without its terminal, so `up` asks for `isIgnored`.
 */
export function onClosedPipe(isIgnored: () => boolean): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (isIgnored()) return
      process.exit(error.code === 'EPIPE' ? 0 : 1)
    })
}
