"""Committed tables without rows: manifests whose inputs and properties are those of the real jobs."""

from ctr_assets.automation.state import read_manifests
from ctr_assets.storage import DataFile, Store, fingerprint

DAYS = ["2014-10-21", "2014-10-22", "2014-10-23", "2014-10-24"]
WINDOW = 10
_ROWS = {"train": 65, "validation": 5, "test": 30, "unlabelled": 0}


def window_of(day):
    return [each for each in DAYS if each <= day][-WINDOW:]


class Tables:
    """The feature tables, models and validations of a few days, committed by hand as the jobs commit them.

    ``content`` stands for the rows: equal content, equal files.
    """

    def __init__(self, root):
        self.store = Store(str(root))

    def commit(self, table, day, content, inputs=(), /, **properties):
        file = DataFile(name="x", rows=1, bytes=1, sha256=fingerprint(content))
        version = self.store.begin(table, day)
        return version.commit([file], {}, inputs=[i for i in inputs if i is not None], properties=properties)

    def raw(self, day, content="rows"):
        return self.commit("raw_impressions", day, [day, content])

    def vocabulary(self, day, content="ids", pending=""):
        """``content``: what the day admits; ``pending``: counts of values that have no id yet."""
        before = max((each for each in DAYS if each < day), default=None)
        previous = self.store.find("feature_vocabulary", before) if before else None
        chain = dict(previous.properties["chain"]) if previous else {}
        chain[day] = fingerprint([chain.get(before, ""), content])
        raw = self.store.find("raw_impressions", day)
        return self.commit("feature_vocabulary", day, [chain[day], pending], [raw, previous], chain=chain)

    def encoded(self, day, content="ids", splits=None):
        sources = [self.store.find(table, day) for table in ("raw_impressions", "feature_vocabulary")]
        return self.commit("encoded_features", day, [day, content], sources, splits=splits or _ROWS)

    def day(self, day, content="rows", **encoded):
        """All tables of a day, as the job new_day makes them."""
        self.raw(day, content)
        self.vocabulary(day, content)
        self.encoded(day, content, **encoded)

    def model(self, day):
        vocabulary = self.store.manifest("feature_vocabulary", day)
        encoded = [self.store.find("encoded_features", each) for each in window_of(day)]
        of_ids = vocabulary.properties["chain"][day]
        return self.commit("wide_deep_model", day, day, [vocabulary, *encoded], vocabulary_fingerprint=of_ids)

    def continued_model(self, day):
        """A model that went on from the one of the day before: it reads its own day alone."""
        before = self.store.manifest("wide_deep_model", max(each for each in DAYS if each < day))
        vocabulary, encoded = (self.store.manifest(table, day) for table in ("feature_vocabulary", "encoded_features"))
        learnt = {each: self.store.manifest("encoded_features", each).content_fingerprint for each in window_of(day)}
        of_ids = vocabulary.properties["chain"][day]
        return self.commit(
            *("wide_deep_model", day, day, [vocabulary, encoded, before]), vocabulary_fingerprint=of_ids, learnt=learnt
        )

    def validation(self, day, metrics, reference=None, champion_day=DAYS[0]):
        encoded = self.store.manifest("encoded_features", day)
        figures = {"metrics": metrics, "reference": reference}
        return self.commit("champion_validation", day, day, [encoded], champion_day=champion_day, **figures)

    def champion(self, day):
        """Promote the model of a day."""
        model = self.store.find("wide_deep_model", day) or self.model(day)
        properties = {**model.properties, "day": day, "model_version": model.version}
        return self.commit("champion_model", "current", model.version, [model], **properties)

    def exported(self):
        champion = self.store.manifest("champion_model", "current")
        named = {name: champion.properties[name] for name in ("day", "model_version")}
        return self.commit("serving_model", "current", champion.version, [champion], **named)

    def predictions(self, day):
        champion = self.store.manifest("champion_model", "current")
        named = {
            f"champion_{name}": champion.properties[key] for name, key in (("day", "day"), ("version", "model_version"))
        }
        encoded = self.store.manifest("encoded_features", day)
        return self.commit("click_predictions", day, [day, champion.version], [champion, encoded], **named)

    def read(self, tables):
        return read_manifests(self.store, tables, DAYS)
