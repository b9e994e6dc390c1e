"""What po_dispatch is told by its environment."""

from collections.abc import Mapping

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.values import Url


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="FLEET_", frozen=True, extra="ignore")

    erp_url: Url
    """The ERP's API, without a slash at the end."""
    secrets: Mapping[str, SecretStr]
    """`FLEET_SECRETS`, a JSON object: name → secret. A supplier's is `supplier:` and its `secret_ref`."""
