"""The reader of Dockerfiles, on text made for it."""

import pytest

from tests.images.dockerfile import DockerfileError, expand, parse

EXAMPLE = r"""
# A comment, and an argument for FROM.
ARG RELEASE=trixie
FROM debian:${RELEASE} AS build
ENV ONE=1 TWO="two words" \
    # between the lines
    THREE=$ONE
RUN echo one \
    && echo two

from debian:$RELEASE
COPY --from=build /a /b ./
HEALTHCHECK --interval=15s --start-period=60s CMD ["python", "-m", "x"]
USER 1:2
USER 3:4
ENTRYPOINT ["python", "-c", "print('a b')"]
"""


def test_stages_have_a_base_a_name_and_their_own_lines() -> None:
    build, final = parse(EXAMPLE)
    assert (build.base, build.name, len(build.instructions)) == ("debian:trixie", "build", 2)
    assert (final.base, final.name, len(final.instructions)) == ("debian:trixie", None, 5)


def test_continued_lines_are_one_instruction_and_comments_none() -> None:
    build, _ = parse(EXAMPLE)
    environment, run = build.instructions
    assert (environment.line, environment.pairs()) == (5, {"ONE": "1", "TWO": "two words", "THREE": "$ONE"})
    assert (run.line, run.command()) == (8, ["/bin/sh", "-c", "echo one && echo two"])


def test_flags_and_commands_in_json() -> None:
    _, final = parse(EXAMPLE)
    copy, check = final.last("COPY"), final.last("HEALTHCHECK")
    assert (copy.flags, copy.words) == ({"from": "build"}, ["/a", "/b", "./"])
    assert check.flags == {"interval": "15s", "start-period": "60s"}
    assert check.command() == ["python", "-m", "x"]
    assert final.last("ENTRYPOINT").command() == ["python", "-c", "print('a b')"]


def test_the_last_of_several_counts() -> None:
    _, final = parse(EXAMPLE)
    assert [user.text for user in final.all("USER")] == ["1:2", "3:4"]
    assert final.last("USER").text == "3:4"
    with pytest.raises(DockerfileError, match="no EXPOSE"):
        final.last("EXPOSE")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$A/${A}", "a/a"),
        ("x$B", "x"),
        ("${B:-c}", "c"),
        ("${A:-c}", "a"),
        ("/app/bin:$PATH", "/app/bin:/bin"),
    ],
)
def test_variables(text: str, value: str) -> None:
    assert expand(text, {"A": "a", "PATH": "/bin"}) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("FROM a\nADD b c", "line 2: ADD is not known here"),
        ("FROM a\nRUN --mount=type=cache,target=/x pip", "line 2: RUN with mount"),
        ("FROM a\nRUN <<END", "line 2: <<END is not known here"),
        ("FROM a\nRUN b \\\n", "line 2: continued beyond the end"),
        ("RUN a\nFROM b", "line 1: RUN before FROM"),
        ("FROM a b c", "line 1: FROM"),
    ],
)
def test_what_it_does_not_know_is_an_error(text: str, said: str) -> None:
    with pytest.raises(DockerfileError, match=said):
        parse(text)


@pytest.mark.parametrize(("line", "read"), [("ENV a b", "pairs"), ('CMD ["a",]', "command")])
def test_what_cannot_be_read_is_an_error_where_it_is_asked_for(line: str, read: str) -> None:
    ((instruction,),) = (stage.instructions for stage in parse(f"FROM a\n{line}"))
    with pytest.raises(DockerfileError, match="line 2"):
        getattr(instruction, read)()
