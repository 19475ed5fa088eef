"""Numbers and alarms in MLflow."""

import re
from collections.abc import Sequence
from typing import Any

from chaffinch.core.errors import MissingExtraError
from chaffinch.training.alarms import Alarm
from chaffinch.training.diagnostics.snapshot import Snapshot

_REFUSED = re.compile(r"[^\w\-. /]")


class MLflowWriter:
    """Logs the single numbers of each epoch as metrics, and alarms as tags of the run.

    Args:
        run_id: A run that goes on; None for the active one, or for a new run of its own.
        tracking_uri: Where runs are kept; None for MLflow's own setting.
        experiment: Name of the experiment of a new run; None for MLflow's default.
        prefix: Before each name.

    Attributes:
        run_id: The run that is written to.

    Raises:
        MissingExtraError: MLflow is not installed.
    """

    def __init__(
        self,
        run_id: str | None = None,
        tracking_uri: str | None = None,
        experiment: str | None = None,
        prefix: str = "chaffinch/",
    ) -> None:
        try:
            import mlflow
            from mlflow.tracking import MlflowClient
        except ImportError as error:
            raise MissingExtraError("MLflowWriter", "tracking", "mlflow") from error
        self._client: Any = MlflowClient(tracking_uri)
        active = mlflow.active_run() if tracking_uri is None else None
        self._own = run_id is None and active is None
        if run_id is None:
            run_id = active.info.run_id if active else self._new_run(experiment)
        self.run_id: str = run_id
        self._prefix = prefix
        self._told = 0

    def _new_run(self, experiment: str | None) -> str:
        known = self._client.get_experiment_by_name(experiment or "Default")
        place = known.experiment_id if known else self._client.create_experiment(experiment)
        return str(self._client.create_run(place).info.run_id)

    def show(self, history: Sequence[Snapshot], alarms: Sequence[Alarm]) -> None:
        """Log the latest epoch and the alarms that are new."""
        from mlflow.entities import Metric

        now = history[-1]
        # The store orders points by step; a time of its own would only make runs differ.
        metrics = [
            Metric(_REFUSED.sub("_", self._prefix + name), value, 0, now.epoch + 1)
            for name, value in now.scalars().items()
        ]
        self._client.log_batch(self.run_id, metrics=metrics)
        for one in alarms[self._told :]:
            key = _REFUSED.sub("_", f"{self._prefix}alarm/{one.name}/{one.subject}".rstrip("/"))
            self._client.set_tag(self.run_id, key[:250], f"epoch {one.epoch + 1}: {one.reason}")
        self._told = len(alarms)

    def close(self) -> None:
        """End a run of its own; one that the user began stays open."""
        if self._own:
            self._client.set_terminated(self.run_id)
