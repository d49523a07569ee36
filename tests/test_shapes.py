"""The SHAPES world: boards, what is said about them, free shapes; and the shipped vision-language model."""
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from data import shapes
from data.shapes import recipes, vlm
from utils.models.load import shipped
from utils.settings import ROOT, CourseError

BOARD = np.array([0, 0, 0, 0, 0, shapes.LABELS.index(("red", "circle")), 0, 0, 0, 0, 0, 0, 0, 0, 0,
                  shapes.LABELS.index(("blue", "square"))])  # a red circle at b3, a blue square at d1
CAPTION = "b3 red circle d1 blue square <eos>"


def rng(seed=0):
    return np.random.default_rng(seed)


# ---- boards ----------------------------------------------------------------------------------------------------------

def test_scenes_and_pixels_repeat_with_the_seed():
    first, second = (shapes.boards(generator, shapes.scenes(generator, 20)) for generator in (rng(), rng()))
    assert (first == second).all() and first.dtype == np.float32 and first.shape == (20, 64, 64, 3)
    assert first.min() >= 0 and first.max() <= 1 and (first != shapes.boards(rng(1), shapes.scenes(rng(1), 20))).any()


def test_scenes_are_balanced():
    labels = shapes.scenes(rng(), 8000, 4, range(1, 9))
    numbers = np.bincount((labels > 0).sum(1), minlength=9)
    assert numbers[0] == 0 and np.abs(numbers[1:] / 8000 - 1 / 8).max() < 0.02
    assert np.abs(np.bincount(labels[labels > 0])[1:] / (labels > 0).sum() - 1 / 16).max() < 0.01
    assert np.abs((labels > 0).mean(0) - 4.5 / 16).max() < 0.03
    with pytest.raises(ValueError, match="holds 0 to 4 objects; found 1 to 5"):
        shapes.scenes(rng(), 1, 2, range(1, 6))


def test_patches_cut_what_boards_put_together():
    labels = shapes.scenes(rng(), 5, 6)
    images = shapes.boards(rng(), labels)
    cut = shapes.patches(images)
    assert cut.shape == (5, 36, 16, 16, 3) and (cut[:, 7] == images[:, 16:32, 16:32]).all()
    for wrong, message in ((images[0], "found \\[96, 96, 3\\]"), (images[:, :-1], "found \\[5, 95, 96, 3\\]"),
                           (images * 2, "lie in \\[0, 1\\]"), (images * np.nan, "lie in \\[0, 1\\]")):
        with pytest.raises(ValueError, match=message):
            shapes.patches(wrong)


# ---- language --------------------------------------------------------------------------------------------------------

def test_the_language_is_that_of_the_module_text():
    assert shapes.square_names(4)[:5] == ("a4", "b4", "c4", "d4", "a3") and len(set(shapes.VOCABULARY)) == len(shapes.VOCABULARY)
    assert shapes.words(shapes.captions(BOARD[None])[0]) == CAPTION and CAPTION in shapes.__doc__
    for question, answer in {"what is at b3": "red circle", "what is at a1": "none", "color of the circle": "red",
                             "shape of the red": "circle", "where is red circle": "b3", "how many are red": "1",
                             "how many are cross": "0"}.items():
        assert shapes.answer(BOARD, question) == answer
        assert answer in ("none", "0") or question in shapes.__doc__


@pytest.mark.parametrize("question", ["", "describe", "what is at e4", "what is at", "what is at b3 b3", "how many are b3",
                                      "color of the red", "shape of the circle", "where is circle red", "where is the circle"])
def test_a_question_outside_the_grammar_is_refused(question):
    with pytest.raises(ValueError, match="is no question about a board of 16 squares; questions begin with what is at, "):
        shapes.answer(BOARD, question)


def test_a_question_with_several_answers_or_none_is_refused():
    with pytest.raises(ValueError, match="'where is red cross' has 0 answers on this board; it needs one"):
        shapes.answer(BOARD, "where is red cross")
    with pytest.raises(ValueError, match="has 2 answers"):
        shapes.answer(np.array([1, 5, 0, 0]), "color of the circle")


def test_text_and_tokens_round_trip():
    assert shapes.words(shapes.ids(CAPTION)) == CAPTION and shapes.words([shapes.PAD, shapes.WORDS["b3"], shapes.PAD]) == "b3"
    with pytest.raises(ValueError, match="'purple' in 'the purple cross' is not in the vocabulary"):
        shapes.ids("the purple cross")


@pytest.mark.parametrize("side", [1, 2, 4, 6, 8])
def test_captions_are_read_back(side):
    labels = shapes.scenes(rng(side), 50, side, range(0, min(9, side * side + 1)))
    tokens = shapes.captions(labels, objects=9)
    assert tokens.shape == (50, 28) and ((tokens == shapes.EOS).sum(1) == 1).all()
    for row, caption in zip(labels, tokens):
        board = np.zeros_like(row)
        for square, label in shapes.mentions(shapes.words(caption), side):
            board[square] = label
        assert (board == row).all()


def test_mentions_pass_over_what_is_malformed_and_keep_repeats():
    assert shapes.mentions("b3 red b3 red circle circle e1 red cross b3 red circle a1 blue", 4) == [(5, 1), (5, 1)]
    assert shapes.mentions("", 4) == []
    with pytest.raises(ValueError, match="room for 1 objects cannot hold the 2"):
        shapes.captions(BOARD[None], objects=1)


@pytest.mark.parametrize("side", [1, 4, 6])
def test_questions_have_the_answers_that_the_board_gives(side):
    labels = shapes.scenes(rng(), 100, side, range(0, min(9, side * side + 1)))
    asked, answers, kinds = shapes.questions(rng(), labels, 6, dict.fromkeys(shapes.KINDS, 1.0))
    starts = list(shapes.KINDS.values())
    for row, *block in zip(labels, asked, answers, kinds):
        for question, answer, kind in zip(*block):
            assert shapes.words(question).startswith(starts[kind])
            assert shapes.words(answer) == shapes.answer(row, shapes.words(question)) + " <eos>"
    again = shapes.questions(rng(), labels, 6, dict.fromkeys(shapes.KINDS, 1.0))
    assert all((one == two).all() for one, two in zip((asked, answers, kinds), again))


def test_questions_are_drawn_with_the_shares_asked_for():
    labels = shapes.scenes(rng(), 3000, 4, [5])
    _, answers, kinds = shapes.questions(rng(), labels, 4, {"what": 0.6, "count": 0.4})
    assert np.bincount(kinds.ravel())[[0, 4]] / kinds.size == pytest.approx([0.6, 0.4], abs=0.02)
    assert (answers[kinds == 0][:, 0] == shapes.WORDS["none"]).mean() == pytest.approx(0.12, abs=0.02)
    with pytest.raises(ValueError, match="unknown kind of question 'why'; the kinds are what, color"):
        shapes.questions(rng(), labels, 1, {"why": 1})


@pytest.mark.parametrize("labels", [np.zeros((2, 15), int), np.zeros(16, int), np.zeros((2, 81), int), np.zeros((2, 16)),
                                    np.full((2, 16), 17), np.zeros((2, 4, 4), int)])
def test_scenes_of_another_form_are_refused(labels):
    for speak in (shapes.captions, lambda labels: shapes.questions(rng(), labels, 1, {"what": 1})):
        with pytest.raises(ValueError, match="scenes are integers|labels are 0 to 16"):
            speak(labels)


# ---- free shapes -----------------------------------------------------------------------------------------------------

def test_free_shapes_look_the_same_at_any_size():
    drawn = shapes.free(rng(), 200)
    small, large = shapes.draw(drawn, 16), shapes.draw(drawn, 64)
    assert small.shape == (200, 3, 16, 16) and small.dtype == np.float32 and -1 <= small.min() and small.max() <= 1
    reduced = large.reshape(200, 3, 16, 4, 16, 4).mean((3, 5))
    difference = np.abs(small - reduced)  # large only at the tips of triangles
    assert difference.mean() < 0.003 and np.percentile(difference, 99.5) < 0.2


def test_free_shapes_are_balanced_and_take_classes():
    drawn = shapes.free(rng(), 9000)
    assert np.abs(np.bincount(drawn.classes) / 9000 - 1 / 9).max() < 0.015
    assert (shapes.free(rng(), 3, np.array([0, 4, 8])).classes == [0, 4, 8]).all()
    with pytest.raises(ValueError, match="classes must be 2 integers, 0 to 8"):
        shapes.free(rng(), 2, np.array([0, 9]))


# ---- the vision-language model ---------------------------------------------------------------------------------------

def test_packed_texts_see_the_image_and_themselves():
    mask, positions = vlm.block_mask(2, [2, 3])
    assert positions.tolist() == [[0, 0, 1, 2, 1, 2, 3]]
    assert (mask[0, 0] == 0).int().tolist() == [[1, 0, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0, 0],
                                                [1, 1, 1, 1, 0, 0, 0], [1, 1, 0, 0, 1, 0, 0], [1, 1, 0, 0, 1, 1, 0],
                                                [1, 1, 0, 0, 1, 1, 1]]


def test_packing_changes_no_logit():
    model, labels = vlm.TinyVLM(2, 2), shapes.scenes(rng(), 3, 2, range(1, 4))
    tokens, targets, lengths = recipes.packed_batch(rng(), labels, 2, {"what": 1}, objects=3)
    assert lengths == [10, 6, 6] and tokens.shape == targets.shape == (3, 22)
    vision = model.vision_tokens(model.encode(shapes.boards(rng(), labels)))
    packed = model(vision, tokens, *vlm.block_mask(4, lengths)).logits
    alone = [model(vision, part).logits for part in tokens.split(lengths, 1)]
    torch.testing.assert_close(packed, torch.cat(alone, 1), atol=1e-4, rtol=0)
    first = targets[0, :10]
    assert shapes.words(torch.where(first < 0, shapes.PAD, first)) == shapes.words(shapes.captions(labels)[0])


def test_the_cache_changes_no_token_and_steps_are_counted():
    model = vlm.load("shapes/vlm_4x4")
    labels = shapes.scenes(rng(1), 8, 4)
    vision = model.vision_tokens(model.encode(shapes.boards(rng(1), labels)))
    generated = model.generate(vision)
    assert generated.ended.all() and (generated.steps == torch.tensor(3 * (labels > 0).sum(1) + 1)).all()
    tokens = torch.cat([torch.full((8, 1), shapes.WORDS["describe"]), generated.tokens], 1)
    again = model(vision, tokens[:, :-1]).logits.argmax(-1)
    assert ((again == generated.tokens) | (generated.tokens == shapes.PAD)).all()
    cut = model.generate(vision, max_new_tokens=2)
    assert (cut.tokens == generated.tokens[:, :2]).all() and (cut.steps == 2).all() and not cut.ended.any()
    drawn = [model.generate(vision, top_p=0.9, generator=torch.Generator().manual_seed(0)).texts for _ in range(2)]
    assert drawn[0] == drawn[1]


def test_gradients_reach_the_pixels():
    model = vlm.load("shapes/vlm_4x4")
    images = torch.tensor(shapes.boards(rng(), BOARD[None])).requires_grad_()
    out = model(model.vision_tokens(model.encode(images)), torch.tensor([shapes.ids("describe b3 red circle")]),
                output_hidden_states=True)
    assert len(out.hidden_states) == 4 and out.hidden_states[0].shape == (1, 20, 64) and out.logits.shape[:2] == (1, 4)
    (out.logits[0, -1, shapes.EOS] + out.hidden_states[1].sum()).backward()
    assert (images.grad != 0).float().mean() > 0.9


def test_wrong_images_and_questions_are_refused():
    model = vlm.load("shapes/vlm_4x4")
    image = shapes.boards(rng(), BOARD[None])
    for wrong, message in ((image[:, :48, :48], "64 x 64 pixels; found 48 x 48"), (image - 1, "lie in \\[0, 1\\]"),
                           (image[0], "boards are images")):
        with pytest.raises(ValueError, match=message):
            model.encode(wrong)
    vision = model.vision_tokens(model.encode(image))
    for options, message in (({"question": ""}, "0 words"), ({"question": "describe twice"}, "'twice' in"),
                             ({"max_new_tokens": 500}, "500 new ones"), ({"top_p": 0.0}, "top_p lies in")):
        with pytest.raises(ValueError, match=message):
            model.generate(vision, **options)
    with pytest.raises(CourseError, match="holds no vision-language model"):
        vlm.load("chains/strong")


def test_the_shipped_model_is_as_good_as_its_card_says():
    model, card = vlm.load("shapes/vlm_4x4"), (ROOT / "data" / "shapes/vlm_4x4" / "README.md").read_text()
    shares = recipes.exact(model, rng(7), 150)
    for kind, share in shares.items():
        line = next(line for line in card.splitlines() if line.startswith(f"| {kind} |"))
        assert share >= float(line.split("|")[2]) - 0.03 and share >= 0.95, (kind, share, line)


@pytest.mark.parametrize("name", ["mini", "comp", "video"])
def test_the_shipped_llava_minis_are_as_good_as_their_card_says(name):
    recipe = recipes
    model = recipe.LlavaMini(5 if name == "comp" else 4, 0 if name == "comp" else 1, seed=1)
    folder = shipped("shapes/llava_mini")
    model.load_state_dict({key: value.float() for key, value in load_file(folder / f"{name}.safetensors").items()})
    logits = lambda vision, tokens: model.logits(vision, tokens, 1)  # noqa: E731
    shares = recipe._share_exact(model.vlm, logits, rng(3), 150, frames=4 if name == "video" else 1)
    line = next(line for line in (folder / "README.md").read_text().splitlines() if line.startswith(f"| `{name}` |"))
    assert shares == pytest.approx([float(cell) for cell in line.split("|")[3:7]], abs=0.12)


@pytest.mark.parametrize("blocks, fusion", [(4, 1), (5, 0)])
def test_the_recipes_llava_mini_is_the_one_that_lesson_81_writes_out(lesson_definitions, blocks, fusion):
    written = lesson_definitions(81, "SIDE", "where", "angles", "PE", "run", "LlavaMini", "compress", "prefuse", "mini_text")
    trained, taught = recipes.LlavaMini(blocks, fusion, seed=3), written["LlavaMini"](blocks, fusion)
    taught.load_state_dict(trained.state_dict())
    labels = shapes.scenes(rng(), 4, recipes.MINI_SIDE, [5])
    tokens, _, _ = recipes.packed_batch(rng(1), labels, 3, recipes.MINI_MIX)
    vision = trained.vlm.vision_tokens(trained.vlm.encode(shapes.boards(rng(2), labels)))
    with torch.no_grad():
        expected = taught.vlm.language_model.lm_head(written["mini_text"](taught, vision, tokens, count=3))
        assert torch.equal(trained.logits(vision[:, None], tokens, 3), expected)  # a clip of one frame
    with torch.no_grad():
        taught.queries += 1
        changed = taught.vlm.language_model.lm_head(written["mini_text"](taught, vision, tokens, count=3))
    assert not torch.allclose(changed, expected), "the comparison does not see the queries"


def test_the_recipes_models_that_read_every_patch_are_those_of_lesson_81(lesson_definitions):
    written = lesson_definitions(81, "SIDE", "run", "llava_text")
    labels = shapes.scenes(rng(), 4, recipes.MINI_SIDE, [5])
    tokens, _, _ = recipes.packed_batch(rng(1), labels, 3, recipes.MINI_MIX)
    for blocks, seen in ((4, 4), (5, 1)):
        model = vlm.TinyVLM(recipes.MINI_SIDE, blocks, 1)
        with torch.no_grad():
            vision = model.vision_tokens(model.encode(shapes.boards(rng(2), labels)))
            expected = model.language_model.lm_head(written["llava_text"](model, vision, tokens, count=3, seen=seen))
            assert torch.equal(recipes.full_logits(model, vision, tokens, 3, seen), expected)
