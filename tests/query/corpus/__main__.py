"""Write `docs/sql-support.md` anew."""

from tests.query.corpus.support import PAGE, page

PAGE.write_text(page(), "utf-8")
