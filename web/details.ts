// One repository, opened in place: why its health and its grade are what they are, and every finding.

import { type Child, element } from './element.ts'
import { bar, trend } from './figures.ts'
import { text } from './json.ts'
import { counted, share, tenths, timeElement, whole } from './numbers.ts'
import type { Analysis, Finding, Pillar, Repository, Summary } from './shapes.ts'

const HEALTH_MAX = 100
const CHECK_MAX = 10
const FINDINGS_SHOWN = 25
const LANGUAGES_SHOWN = 6
const HOTSPOTS_SHOWN = 5
const COMMIT_SHOWN_CHARS = 10

const LEVELS = ['error', 'warning', 'note']

/** `again` asks for a new analysis; its button is left out when the path is unknown. */
export function details(
  repository: Repository,
  analysis: Analysis | undefined,
  again: () => Promise<string>,
): Node[] {
  const { summary, failure } = repository
  return present(
    failure &&
      element(
        'p',
        { class: 'notice' },
        element('strong', {}, summary ? 'The latest attempt failed' : 'It could not be analysed'),
        ' ',
        timeElement(failure.at),
        `: ${failure.message || 'no reason was recorded'} (${failure.code})`,
        summary && '. What follows is the analysis before it.',
      ),
    summary && facts(repository, summary, analysis),
    repository.path !== '' && againPart(repository, again),
    summary && analysis && healthPart(summary, analysis),
    summary && analysis && scorecardPart(summary, analysis),
    summary && analysis && findingsPart(analysis),
    analysis && shapePart(analysis),
  )
}

function facts({ path }: Repository, summary: Summary, analysis: Analysis | undefined): HTMLElement {
  const branch = analysis?.branch ?? ''
  return element(
    'dl',
    { class: 'facts' },
    ...fact(
      'Commit',
      element('code', { title: summary.commit }, summary.commit.slice(0, COMMIT_SHOWN_CHARS)),
      branch && ` on ${branch}`,
    ),
    ...fact('As of', timeElement(summary.asOf)),
    ...fact('Analysed', timeElement(summary.analyzedAt)),
    ...(path === '' ? [] : fact('Path', element('code', {}, text(path)))),
    ...fact(
      'Trend of health',
      element(
        'span',
        { class: 'trends' },
        trend(summary.sincePrevious, 'since last'),
        trend(summary.since7Days, 'in 7 days'),
        trend(summary.since30Days, 'in 30 days'),
      ),
    ),
  )
}

const healthPart = (summary: Summary, { pillars, healthCoverage }: Analysis): HTMLElement =>
  part(
    'Health',
    `${summary.health === null ? 'unknown' : `${tenths(summary.health)} of 100`} · ${share(healthCoverage)} measured`,
    summary.health === null &&
      element(
        'p',
        { class: 'hint' },
        'Less than half of it could be measured, and unknown is never counted as healthy.',
      ),
    measures(pillars, HEALTH_MAX),
  )

const scorecardPart = (
  summary: Summary,
  { checks, scorecard, scorecardCoverage, caps }: Analysis,
): HTMLElement =>
  part(
    'Security',
    `grade ${summary.grade}${scorecard === null ? '' : ` · ${tenths(scorecard)} of 10`} · ${share(scorecardCoverage)} measured`,
    element(
      'p',
      { class: 'hint' },
      'A from 8.0, B from 6.5, C from 5.0, D from 3.5, F below; U (ungraded) when less than 35 % could be measured.',
    ),
    caps.length > 0 &&
      element(
        'ul',
        { class: 'caps' },
        ...caps.map((cap) => element('li', {}, element('strong', {}, 'Capped: '), cap)),
      ),
    measures(checks, CHECK_MAX),
  )

/** Measured parts first by weight, then what is unknown and why. */
function measures(parts: readonly Pillar[], max: number): HTMLElement {
  const sorted = [...parts].sort(
    (one, other) => Number(one.score === null) - Number(other.score === null) || other.weight - one.weight,
  )
  return element(
    'ul',
    { class: 'measures' },
    ...sorted.map(({ id, weight, score, reason }) =>
      element(
        'li',
        {},
        element(
          'span',
          { class: 'measure-name' },
          id,
          element('span', { class: 'weight' }, ` weight ${weight}`),
        ),
        element('span', { class: 'measure-score' }, score === null ? 'unknown' : tenths(score)),
        bar(score, max),
        element('span', { class: 'reason' }, reason),
      ),
    ),
  )
}

function findingsPart({ findings, findingsTotal }: Analysis): HTMLElement {
  const sorted = [...findings].sort((one, other) => rank(one) - rank(other))
  const shown = element('ul', { class: 'findings' }, ...sorted.slice(0, FINDINGS_SHOWN).map(findingItem))
  const rest = sorted.slice(FINDINGS_SHOWN)
  const more = element('button', { class: 'quiet', type: 'button' }, `Show ${whole(rest.length)} more`)
  more.addEventListener('click', () => {
    shown.append(...rest.map(findingItem))
    more.remove()
  })
  return part(
    'Findings',
    counted(findingsTotal, 'finding'),
    findings.length === 0 && element('p', { class: 'hint' }, 'Nothing was found by what could be measured.'),
    shown,
    rest.length > 0 && more,
    findingsTotal > findings.length &&
      element(
        'p',
        { class: 'hint' },
        `The analysis keeps the first ${whole(findings.length)} of ${whole(findingsTotal)}.`,
      ),
  )
}

const rank = ({ level }: Finding): number => (LEVELS.includes(level) ? LEVELS.indexOf(level) : LEVELS.length)

const findingItem = ({ level, message, place, ruleId }: Finding): HTMLElement =>
  element(
    'li',
    {},
    element('span', { class: 'level', 'data-level': level }, level),
    element('span', { class: 'message' }, message),
    element(
      'span',
      { class: 'where' },
      element('code', {}, place || 'the whole repository'),
      element('span', { class: 'rule' }, ruleId),
    ),
  )

function shapePart({
  languages,
  hotspots,
  commits,
  commitsIn90Days,
  authors,
  truckFactor,
  warnings,
}: Analysis): HTMLElement {
  const lines = languages.reduce((sum, each) => sum + each.lines, 0)
  const known = [...languages].sort((one, other) => other.lines - one.lines).slice(0, LANGUAGES_SHOWN)
  return part(
    'Shape',
    '',
    element(
      'dl',
      { class: 'facts' },
      ...fact(
        'Commits',
        `${whole(commits)}, ${commitsIn90Days === null ? 'unknown' : whole(commitsIn90Days)} in 90 days`,
      ),
      ...fact('Authors', whole(authors)),
      ...fact('Truck factor', truckFactor === null ? 'unknown' : whole(truckFactor)),
      ...(lines === 0
        ? []
        : fact('Languages', known.map(({ name, lines: own }) => `${name} ${share(own / lines)}`).join(', '))),
      ...fact('Lines', whole(lines)),
    ),
    hotspots.length > 0 &&
      element(
        'div',
        {},
        element('h5', {}, 'Hotspots: complex and often changed'),
        element(
          'ul',
          { class: 'hotspots' },
          ...hotspots
            .slice(0, HOTSPOTS_SHOWN)
            .map(({ place, detail }) =>
              element(
                'li',
                {},
                element('code', {}, place),
                detail !== '' && element('span', { class: 'weight' }, ` ${detail}`),
              ),
            ),
        ),
      ),
    warnings.length > 0 &&
      element('ul', { class: 'caps' }, ...warnings.map((warning) => element('li', {}, warning))),
  )
}

function againPart({ name }: Repository, again: () => Promise<string>): HTMLElement {
  const answer = element('output', { class: 'answer' })
  const button = element(
    'button',
    { type: 'button', 'aria-label': `Analyse ${text(name)} again` },
    'Analyse again',
  )
  button.addEventListener('click', async () => {
    button.disabled = true
    answer.textContent = await again()
    button.disabled = false
  })
  return element('p', { class: 'again' }, button, answer)
}

const part = (title: string, figure: string, ...children: readonly Child[]): HTMLElement =>
  element(
    'section',
    { class: 'part' },
    element('h4', {}, title, figure !== '' && element('span', { class: 'figure' }, figure)),
    ...children,
  )

const fact = (name: string, ...value: readonly Child[]): HTMLElement[] => [
  element('div', {}, element('dt', {}, name), element('dd', {}, ...value)),
]

const present = (...nodes: readonly (Node | false | undefined | '')[]): Node[] =>
  nodes.filter((node) => node instanceof Node)
