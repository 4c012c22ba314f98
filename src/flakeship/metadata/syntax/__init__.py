"""The languages that the inputs of docker/metadata-action are written in: lists, fields, templates, dates, patterns, versions.

Each module reads the part of one language that users of docker/metadata-action write, and gives the result that it
gives: `lists` what csv-parse reads (https://github.com/docker/actions-toolkit/blob/main/src/util.ts), `fields` the
keys of one line (https://github.com/docker/metadata-action/blob/master/src/tag.ts), `handlebars` its templates
(https://handlebarsjs.com), `moment` the letters of its dates (https://momentjs.com), `patterns` and `pattern_reader`
the regular expressions of JavaScript, and `versions` those of node-semver and PEP 440. No library of Python does
this: pybars3 is not maintained, chevron reads Mustache, which has no arguments, arrow and pendulum have other date
tokens, and Python's `re` and `csv` differ from JavaScript's in details that show in tags. Where a library agrees with
the original it does the work: `semver` and `packaging` read versions. Nothing in here knows tags, labels or events.
"""
