"""What nf_reconciliation must know of its surroundings."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="FLEET_", frozen=True, extra="ignore")

    erp_url: Annotated[str, Field(pattern=r"^https?://[^\s]+$")]
    """Where the ERP's API is, without a slash at the end."""
