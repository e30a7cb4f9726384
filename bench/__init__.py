"""The benchmark: webkit, bare aiohttp and the peers side by side, in one run, on one machine.

``make bench`` runs everything (about half an hour, on a machine that has nothing else to do), ``make bench-quick`` four
peers in two minutes. What is measured is in `inprocess`, `sockets`, `echo`, `uploading`, `footprint` and `streams`;
what webkit has to reach is in `floors`.

The rules, so that the figures can be believed:

1. All do the same work: the same templates, the same checks on the same body, the same bytes in the answer. `answers`
   compares status, body, media type and length before anything is measured, and a difference ends the run.
2. All send the headers that a server owes its clients: Content-Type, Content-Length, Date and Server. Who leaves one
   out is named in `peers`, and the run ends when that is no longer so.
3. No answer is kept: everything is made anew for each request, as in an application whose data change.
4. Everybody is written as his own documentation advises, with the settings for production: no debugging, no reload, no
   access log (but where that is measured, and then for all in that row), compiled parsers, uvloop where it is taken.
5. One worker each, pinned to one core; the client has another. Who can use more is measured once more unpinned, and
   that row is shown and not compared.
6. Turns are taken: each round measures everybody, in an order that moves on. Ratios are built within a round, and the
   median of the rounds is shown with its quartiles. What else the machine does then hits all alike.
7. webkit is served as its users serve it: by its own runner, with everything that it does by default.
"""
