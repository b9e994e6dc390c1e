"""What billing must know of its surroundings."""

from typing import Annotated, Literal

from pydantic import Field, FilePath
from pydantic_settings import BaseSettings, SettingsConfigDict

Url = Annotated[str, Field(pattern=r"^https?://[^\s]+$")]


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="FLEET_", frozen=True, extra="ignore")

    erp_url: Url
    """Where the ERP's API is."""
    sefaz_url: Url
    """Where SEFAZ's authorisation service is."""
    sefaz_environment: Literal["1", "2"] = "1"
    """tpAmb: 1 production, 2 homologation (its documents have no fiscal value, and say so)."""
    signing_key_file: FilePath
    """The A1 certificate's private key, PEM, not encrypted."""
    signing_cert_file: FilePath
    """The A1 certificate, PEM."""
