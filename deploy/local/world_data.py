"""The demo's facts: companies, cities, car parts, tax rates. Names are invented; cities, IBGE codes and NCMs are real.

The ICMS rates are those of 2025 as far as the demo needs them, without the exceptions of each state's law.
"""

from dataclasses import dataclass
from decimal import Decimal

from schemas.values import Address, Company, Uf

D = Decimal


@dataclass(frozen=True, slots=True)
class City:
    name: str
    ibge_code: str
    uf: Uf
    postal_code: str


CITIES = (
    City("São Paulo", "3550308", "SP", "01310100"),
    City("Campinas", "3509502", "SP", "13010041"),
    City("Guarulhos", "3518800", "SP", "07010000"),
    City("São José dos Campos", "3549904", "SP", "12210000"),
    City("Rio de Janeiro", "3304557", "RJ", "20040002"),
    City("Belo Horizonte", "3106200", "MG", "30130010"),
    City("Uberlândia", "3170206", "MG", "38400100"),
    City("Vitória", "3205309", "ES", "29010000"),
    City("Curitiba", "4106902", "PR", "80010000"),
    City("Londrina", "4113700", "PR", "86010000"),
    City("Florianópolis", "4205407", "SC", "88010000"),
    City("Joinville", "4209102", "SC", "89201000"),
    City("Porto Alegre", "4314902", "RS", "90010000"),
    City("Caxias do Sul", "4305108", "RS", "95010000"),
    City("Goiânia", "5208707", "GO", "74010010"),
    City("Brasília", "5300108", "DF", "70040010"),
    City("Campo Grande", "5002704", "MS", "79002000"),
    City("Cuiabá", "5103403", "MT", "78005000"),
    City("Salvador", "2927408", "BA", "40020000"),
    City("Recife", "2611606", "PE", "50010000"),
    City("Fortaleza", "2304400", "CE", "60025000"),
    City("Natal", "2408102", "RN", "59012300"),
    City("Belém", "1501402", "PA", "66010000"),
    City("Manaus", "1302603", "AM", "69005000"),
)
STREETS = ("Rua das Acácias", "Avenida Brasil", "Rua Sete de Setembro", "Avenida Getúlio Vargas", "Rua Tiradentes")
DISTRICTS = ("Centro", "Jardim América", "Vila Nova", "Boa Vista")
GIVEN_NAMES = ("Ana", "Bruno", "Carla", "Diego", "Elisa", "Fábio", "Giovana", "Heitor", "Isabel", "João", "Lúcia")
FAMILY_NAMES = ("Almeida", "Barbosa", "Cardoso", "Ferreira", "Gonçalves", "Moraes", "Nogueira", "Souza", "Teixeira")
WORKSHOPS = ("Oficina do Vale", "Auto Center Avenida", "Mecânica Três Irmãos", "Frota Serviços")


@dataclass(frozen=True, slots=True)
class Part:
    """A product. `family` says which of the two pairs of suppliers has it; `cost` is the cheaper one's, in BRL."""

    sku: str
    name: str
    ncm: str
    gtin_stem: str
    family: int
    cost: Decimal
    price: Decimal


PARTS = (
    Part("FAR-1001", "Farol dianteiro direito Gol G5", "85122011", "789100100101", 0, D("182.40"), D("279.90")),
    Part("FAR-1002", "Farol dianteiro esquerdo Gol G5", "85122011", "789100100102", 0, D("182.40"), D("279.90")),
    Part("LAN-1003", "Lanterna traseira direita Onix 2015", "85122019", "789100100103", 0, D("96.75"), D("159.90")),
    Part("LAM-1004", "Lâmpada H7 12V 55W", "85392110", "789100100104", 0, D("11.20"), D("24.90")),
    Part("RET-1005", "Retrovisor externo elétrico HB20", "70091000", "789100100105", 0, D("134.00"), D("219.00")),
    Part("PAL-1006", "Palheta limpadora 24 polegadas", "85129000", "789100100106", 0, D("17.85"), D("39.90")),
    Part("BAT-1007", "Bateria automotiva 60Ah", "85071010", "789100100107", 0, D("298.50"), D("449.00")),
    Part("VEL-1008", "Vela de ignição iridium", "85111000", "789100100108", 0, D("23.3333"), D("49.90")),
    Part("AMO-2001", "Amortecedor dianteiro Palio", "87088000", "789100200101", 1, D("146.90"), D("239.90")),
    Part("PAS-2002", "Pastilha de freio dianteira Corolla", "68138110", "789100200102", 1, D("72.15"), D("129.90")),
    Part("DIS-2003", "Disco de freio ventilado Civic", "87083090", "789100200103", 1, D("118.60"), D("199.90")),
    Part("FIL-2004", "Filtro de óleo motor 1.0", "84212300", "789100200104", 1, D("13.45"), D("29.90")),
    Part("FIL-2005", "Filtro de ar motor 1.6", "84213100", "789100200105", 1, D("19.05"), D("42.50")),
    Part("EMB-2006", "Kit de embreagem Fox 1.6", "87089300", "789100200106", 1, D("341.00"), D("519.00")),
    Part("ROL-2007", "Rolamento de roda traseira", "84821010", "789100200107", 1, D("48.725"), D("94.90")),
    Part("BOM-2008", "Bomba d'água motor 1.4", "84133090", "789100200108", 1, D("87.30"), D("149.90")),
)


def address(city: str, street: str, number: str, district: str) -> Address:
    place = next(c for c in CITIES if c.name == city)
    return Address(
        street=street,
        number=number,
        district=district,
        city=place.name,
        ibge_code=place.ibge_code,
        uf=place.uf,
        postal_code=place.postal_code,
    )


SELLER = Company(
    name="Estrada Boa Autopeças Ltda",
    cnpj="41537862000135",
    state_registration="110042490114",
    address=address("São Paulo", "Rua Vergueiro", "2045", "Vila Mariana"),
)


@dataclass(frozen=True, slots=True)
class SupplierFacts:
    """A supplier of the demo. `ufs` empty: delivers everywhere. `markup` on the part's cost, in percent."""

    supplier_id: str
    company: Company
    family: int
    priority: int
    ufs: tuple[Uf, ...]
    markup: int
    lead_time_days: int
    terms_days: int
    own_make: bool


SUPPLIERS = (
    SupplierFacts(
        "farol-sul",
        Company(
            name="Farol Sul Indústria de Faróis Ltda",
            cnpj="52963741000171",
            state_registration="388108598269",
            address=address("Campinas", "Rodovia Anhanguera", "1200", "Distrito Industrial"),
        ),
        family=0,
        priority=10,
        ufs=("SP", "RJ", "MG", "ES", "PR", "SC", "RS"),
        markup=0,
        lead_time_days=1,
        terms_days=28,
        own_make=True,
    ),
    SupplierFacts(
        "auto-leste",
        Company(
            name="Auto Leste Distribuidora Ltda",
            cnpj="60481937000158",
            state_registration="336149879116",
            address=address("Guarulhos", "Avenida Monteiro Lobato", "880", "Macedo"),
        ),
        family=0,
        priority=20,
        ufs=(),
        markup=6,
        lead_time_days=2,
        terms_days=14,
        own_make=False,
    ),
    SupplierFacts(
        "pecas-norte",
        Company(
            name="Peças Norte do Paraná Ltda",
            cnpj="73815264000177",
            state_registration="1234567850",
            address=address("Londrina", "Avenida Tiradentes", "3100", "Jardim Shangri-lá"),
        ),
        family=1,
        priority=10,
        ufs=("PR", "SC", "RS", "SP", "MS"),
        markup=0,
        lead_time_days=2,
        terms_days=28,
        own_make=False,
    ),
    SupplierFacts(
        "nova-era",
        Company(
            name="Nova Era Autopeças S.A.",
            cnpj="12ABC34501DE35",
            state_registration="109876547",
            address=address("Goiânia", "Avenida Anhanguera", "5674", "Setor Campinas"),
        ),
        family=1,
        priority=20,
        ufs=(),
        markup=4,
        lead_time_days=3,
        terms_days=21,
        own_make=False,
    ),
)

INTERNAL_RATES: dict[Uf, Decimal] = {
    "AC": D("19"), "AL": D("19"), "AM": D("20"), "AP": D("18"), "BA": D("20.5"), "CE": D("20"), "DF": D("20"),
    "ES": D("17"), "GO": D("19"), "MA": D("23"), "MG": D("18"), "MS": D("17"), "MT": D("17"), "PA": D("19"),
    "PB": D("20"), "PE": D("20.5"), "PI": D("22.5"), "PR": D("19.5"), "RJ": D("20"), "RN": D("20"), "RO": D("19.5"),
    "RR": D("20"), "RS": D("17"), "SC": D("17"), "SE": D("19"), "SP": D("18"), "TO": D("20"),
}  # fmt: skip
FCP_RATES: dict[Uf, Decimal] = {"RJ": D("2")}
TWELVE_PERCENT = ("MG", "PR", "RJ", "RS", "SC", "SP")
"""From SP the interstate rate is 12 % to the South and Southeast less ES, 7 % elsewhere (Senate resolution 22/1989)."""
