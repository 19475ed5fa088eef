"""One tag a token: entities in sentences."""

from chaffinch.tasks.tokens.held_out import held_out as held_out
from chaffinch.tasks.tokens.judge import judge_tokens as judge_tokens
from chaffinch.tasks.tokens.read import read_tagged as read_tagged
from chaffinch.tasks.tokens.spans import Span as Span
from chaffinch.tasks.tokens.spans import spans_of as spans_of
from chaffinch.tasks.tokens.spans import tags_of as tags_of
from chaffinch.tasks.tokens.task import Tokens as Tokens
from chaffinch.tasks.tokens.task import corrected as corrected
from chaffinch.tasks.tokens.verdict import TokenJudgement as TokenJudgement
from chaffinch.tasks.tokens.verdict import Verdict as Verdict
from chaffinch.tasks.tokens.verdict import table_of as table_of
