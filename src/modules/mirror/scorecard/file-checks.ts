// Checks that look at which files there are and what a few of them say.

import { baseName, type Check, known, plural, type RawFinding, unknown, unread } from './check.ts'

const BINARY_EXTENSION =
  /\.(crx|deb|dex|dey|elf|o|a|so|macho|iso|class|jar|bundle|dylib|lib|msi|dll|drv|efi|exe|ocx|pyc|pyo|par|rpm|wasm|whl)$/i

export const binaryArtifacts: Check = {
  id: 'Binary-Artifacts',
  weight: 7.5,
  run({ files }) {
    const binaries = files.filter(({ path, facts }) => {
      const isOpaque = facts === null || facts.isBinary
      return facts?.magic != null || (BINARY_EXTENSION.test(path) && isOpaque)
    })
    const findings = binaries.map(
      ({ path, id, facts }): RawFinding => ({
        ruleId: 'scorecard/binary-artifact',
        level: 'warning',
        message: `an executable or archive (${facts?.magic ?? 'by its name'}) that nobody can review`,
        path,
        line: null,
        snippet: id,
      }),
    )
    const unreadFiles = files.filter(({ facts }) => facts === null).length
    if (unreadFiles > 0 && findings.length < 10) {
      return unread(`${plural(unreadFiles, 'file')} could not be read`, findings)
    }
    const reason = findings.length === 0 ? 'no binary artifact' : plural(findings.length, 'binary artifact')
    return known(Math.max(0, 10 - findings.length), reason, findings)
  },
}

/** Where Dependabot, Renovate and Scala Steward look for their configuration. */
const UPDATE_TOOLS: readonly (readonly [tool: string, paths: RegExp])[] = [
  ['Dependabot', /^\.github\/dependabot\.ya?ml$/i],
  ['Renovate', /^(\.github\/|\.gitlab\/)?renovate\.json5?$|^\.renovaterc(\.json5?)?$/i],
  ['Scala Steward', /^(\.github\/|\.config\/)?\.?scala-steward\.conf$/i],
]

export const dependencyUpdateTool: Check = {
  id: 'Dependency-Update-Tool',
  weight: 7.5,
  run({ files }) {
    const tool = UPDATE_TOOLS.find(([, paths]) => files.some(({ path }) => paths.test(path)))
    if (tool) return known(10, `${tool[0]} is configured`)
    return known(0, 'no update tool is configured', [
      absent('no-update-tool', 'nothing proposes updates of dependencies'),
    ])
  },
}

const SAST_ACTIONS =
  /^(github\/codeql-action\/analyze|snyk\/actions\b|facebook\/pysa-action|JetBrains\/qodana-action|hadolint\/hadolint-action|SonarSource\/[\w-]+)/i

export const sast: Check = {
  id: 'SAST',
  weight: 5,
  run({ workflows, texts }) {
    const uses = workflows.flatMap((workflow) => (workflow.kind === 'parsed' ? workflow.jobs : []))
    const action = uses.flatMap((job) => job.steps).find((step) => SAST_ACTIONS.test(step.uses ?? ''))?.uses
    if (action) return known(10, `a workflow runs ${action.split('@')[0]}`)
    const sonar = [...texts].some(
      ([path, text]) => baseName(path) === 'pom.xml' && /<sonar\.host\.url>\s*\S/.test(text),
    )
    if (sonar) return known(10, 'pom.xml names a Sonar server')
    if (workflows.some((workflow) => workflow.kind === 'unreadable'))
      return unread('a workflow could not be read')
    return known(0, 'no static analysis in a workflow', [absent('no-sast', 'no workflow analyses the code')])
  },
}

const SECURITY_POLICY = /^(\.github\/|docs\/)?SECURITY\.(md|markdown|adoc|rst)$/i
const LINK =
  /https?:\/\/[a-zA-Z0-9./?=_%:-]{1,500}|[A-Za-z0-9._%+-]{1,64}(?:@|\[at\])[A-Za-z0-9.-]{1,190}\.[A-Za-z]{2,6}\b/g
/** A policy says more than its links when this much text is left. */
const MIN_TEXT_CHARS = 1

export const securityPolicy: Check = {
  id: 'Security-Policy',
  weight: 5,
  run({ files, texts }) {
    const file = files.find(({ path }) => SECURITY_POLICY.test(path))
    if (!file)
      return known(0, 'no security policy', [
        absent('no-security-policy', 'nothing says how to report a weakness'),
      ])
    const text = texts.get(file.path)
    if (text === undefined) return unread('the security policy could not be read')
    const links = text.match(LINK)?.length ?? 0
    const rest = text.replace(LINK, '').replace(/\s+/g, '')
    const saysMore = rest.length >= MIN_TEXT_CHARS
    const saysHow = /\b\d{1,4}\b|disclos|vuln/i.test(text.replace(LINK, ''))
    const value = (links > 0 ? 6 : 0) + (saysMore ? 3 : 0) + (saysHow ? 1 : 0)
    const said = [
      links > 0 && 'where to report',
      saysMore && 'text',
      saysHow && 'times or terms of disclosure',
    ].filter(Boolean)
    return known(value, `the security policy has ${said.join(', ') || 'nothing'}`)
  },
}

export const fuzzing: Check = {
  id: 'Fuzzing',
  weight: 5,
  run({ files }) {
    if (files.some(({ path }) => /^\.clusterfuzzlite\//i.test(path)))
      return known(10, 'ClusterFuzzLite is configured')
    const test = files.find(({ facts }) => facts?.isFuzzTest)
    if (test) return known(10, `fuzz or property tests in ${test.language?.name}`)
    if (files.some(({ facts, language }) => facts === null && language?.grammar))
      return unread('not all sources are here')
    return known(0, 'no fuzz or property test', [absent('no-fuzzing', 'nothing tries unforeseen input')])
  },
}

const PUBLISHING_ACTIONS =
  /^(docker\/build-push-action|pypa\/gh-action-pypi-publish|relekang\/python-semantic-release|goreleaser\/goreleaser-action|ko-build\/setup-ko|imjasonh\/setup-ko)@/i
const PUBLISHING_COMMAND =
  /\b(npm\b[^\n]{0,200}\bpublish|mvn\b[^\n]{0,200}\bdeploy|gradlew?\b[^\n]{0,200}\bpublish|sbt\b[^\n]{0,200}ci-release|gem\b[^\n]{0,200}\bpush|nuget\b[^\n]{0,200}\bpush|docker\b[^\n]{0,200}\bpush|cargo\b[^\n]{0,200}\bpublish|npx\b[^\n]{0,200}semantic-release|hex\.publish)\b/

export const packaging: Check = {
  id: 'Packaging',
  weight: 5,
  run({ workflows }) {
    const steps = workflows.flatMap((workflow) =>
      workflow.kind === 'parsed' ? workflow.jobs.flatMap((job) => job.steps) : [],
    )
    const isPublished = steps.some(
      ({ uses, run }) => PUBLISHING_ACTIONS.test(uses ?? '') || PUBLISHING_COMMAND.test(run ?? ''),
    )
    return isPublished
      ? known(10, 'a workflow publishes packages')
      : unknown('no workflow that publishes packages was seen')
  },
}

const LICENSE_FILE = /^(LICEN[CS]ES?|COPYING|COPYRIGHT|PATENTS)([.-][^/]*)?$|^[^/]+[.-]LICEN[CS]E$/i
const LICENSE_FOLDER = /^LICENSES\/[^/]+$/i

/** A phrase that only this licence has, after white space is made one. All are approved by FSF or OSI. */
const APPROVED: readonly (readonly [id: string, phrase: RegExp])[] = [
  ['Apache-2.0', /apache license,? version 2\.0/],
  ['MIT', /permission is hereby granted, free of charge, to any person obtaining a copy/],
  [
    'ISC',
    /permission to use, copy, modify, and(?:\/or)? distribute this software for any purpose with or without fee/,
  ],
  ['BSD', /redistribution and use in source and binary forms, with or without modification, are permitted/],
  ['AGPL-3.0', /gnu affero general public license/],
  ['LGPL', /gnu (lesser|library) general public license/],
  ['GPL', /gnu general public license/],
  ['MPL-2.0', /mozilla public license,? (version |v\. ?)?2\.0/],
  ['EPL', /eclipse public license/],
  ['CC0-1.0', /cc0 1\.0 universal/],
  ['Unlicense', /this is free and unencumbered software released into the public domain/],
  ['Zlib', /this software is provided 'as-is', without any express or implied warranty/],
  ['BSL-1.0', /boost software license/],
  ['Artistic-2.0', /the artistic license 2\.0/],
  [
    'PostgreSQL',
    /permission to use, copy, modify, and distribute this software and its documentation for any purpose, without fee/,
  ],
]

export const license: Check = {
  id: 'License',
  weight: 2.5,
  run({ files, texts }) {
    const found = files.filter(({ path }) => LICENSE_FILE.test(path) || LICENSE_FOLDER.test(path))
    if (found.length === 0)
      return known(0, 'no licence', [absent('no-license', 'nothing says who may use this code')])
    const approved = found.flatMap(({ path }) => licenseOf(texts.get(path) ?? '') ?? [])[0]
    return approved
      ? known(10, `the licence is ${approved}`)
      : known(9, 'there is a licence, its text is not a known one')
  },
}

function licenseOf(text: string): string | undefined {
  const words = text.slice(0, 65_536).toLowerCase().replace(/\s+/g, ' ').replaceAll('’', "'")
  return APPROVED.find(([, phrase]) => phrase.test(words))?.[0]
}

/** 12 commits in 90 days is one a week (7 * 90 / 7 days, in whole numbers as upstream counts). */
const FULL_COMMITS = 12
const MIN_AGE_DAYS = 90

export const maintained: Check = {
  id: 'Maintained',
  weight: 7.5,
  run({ commits90Days, ageDays, knowsFirstCommit }) {
    if (commits90Days === null) return unread('the history of the last 90 days is not all here')
    if (ageDays < MIN_AGE_DAYS && knowsFirstCommit)
      return known(0, `the first commit is ${plural(ageDays, 'day')} old`)
    const value = Math.min(10, Math.floor((10 * commits90Days) / FULL_COMMITS))
    return known(value, `${plural(commits90Days, 'commit')} in 90 days; issues are not known here`)
  },
}

/** Whether a check reads the text of this file. */
export const isReadByFileChecks = (path: string): boolean =>
  SECURITY_POLICY.test(path) ||
  LICENSE_FILE.test(path) ||
  LICENSE_FOLDER.test(path) ||
  baseName(path) === 'pom.xml'

const absent = (rule: string, message: string): RawFinding => ({
  ruleId: `scorecard/${rule}`,
  level: 'note',
  message,
  path: null,
  line: null,
  snippet: '',
})
