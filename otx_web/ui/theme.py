"""How all pages look: Gradio's base theme bound to the variables of style.css, which know light and dark."""

from pathlib import Path
from typing import Any

import gradio as gr

from jobs import figures, gallery

STYLE = Path(__file__).with_name("style.css")


def appearance() -> dict[str, Any]:
    """What `gr.mount_gradio_app` or `launch` needs besides the Blocks: theme, style, and no footer of Gradio's."""
    return {
        "theme": theme(),
        "css_paths": [figures.STYLE, STYLE, gallery.STYLE],
        "footer_links": [],
        "run_history": False,
    }


def theme() -> gr.themes.Base:
    """Fonts of the system, nothing from other hosts, and every colour a variable of style.css."""
    base = gr.themes.Base(
        font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif"],
        font_mono=["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"],
        radius_size=gr.themes.sizes.radius_md,
        text_size=gr.themes.sizes.text_md,
    )
    for name, value in _VARIABLES.items():
        setattr(base, name, value)
        if hasattr(base, f"{name}_dark"):
            setattr(base, f"{name}_dark", value)
    return base


_VARIABLES = {
    "body_background_fill": "var(--ow-background)",
    "body_text_color": "var(--ow-text)",
    "body_text_color_subdued": "var(--ow-muted)",
    "background_fill_primary": "var(--ow-surface)",
    "background_fill_secondary": "var(--ow-sunken)",
    "border_color_primary": "var(--ow-line)",
    "border_color_accent": "var(--ow-accent)",
    "border_color_accent_subdued": "var(--ow-accent-line)",
    "color_accent": "var(--ow-accent)",
    "color_accent_soft": "var(--ow-accent-soft)",
    "link_text_color": "var(--ow-accent-text)",
    "link_text_color_active": "var(--ow-accent-text)",
    "link_text_color_hover": "var(--ow-accent-text)",
    "link_text_color_visited": "var(--ow-accent-text)",
    "block_background_fill": "var(--ow-surface)",
    "block_border_color": "var(--ow-line)",
    "block_border_width": "1px",
    "block_info_text_color": "var(--ow-muted)",
    "block_label_background_fill": "transparent",
    "block_label_border_width": "0",
    "block_label_text_color": "var(--ow-muted)",
    "block_label_text_size": "13px",
    "block_label_text_weight": "500",
    "block_title_text_color": "var(--ow-text)",
    "block_title_text_size": "14px",
    "block_title_text_weight": "500",
    "block_shadow": "none",
    "block_radius": "10px",
    "container_radius": "10px",
    "layout_gap": "16px",
    "form_gap_width": "0",
    "panel_background_fill": "transparent",
    "panel_border_width": "0",
    "input_background_fill": "var(--ow-surface)",
    "input_background_fill_focus": "var(--ow-surface)",
    "input_background_fill_hover": "var(--ow-surface)",
    "input_border_color": "var(--ow-field-line)",
    "input_border_color_focus": "var(--ow-accent)",
    "input_border_color_hover": "var(--ow-field-line)",
    "input_border_width": "1px",
    "input_placeholder_color": "var(--ow-muted)",
    "input_radius": "8px",
    "input_shadow": "none",
    "input_shadow_focus": "0 0 0 3px var(--ow-accent-soft)",
    "input_text_size": "15px",
    "checkbox_background_color": "var(--ow-surface)",
    "checkbox_background_color_selected": "var(--ow-accent)",
    "checkbox_border_color": "var(--ow-field-line)",
    "checkbox_border_color_selected": "var(--ow-accent)",
    "checkbox_border_color_focus": "var(--ow-accent)",
    "checkbox_label_background_fill": "var(--ow-surface)",
    "checkbox_label_background_fill_hover": "var(--ow-sunken)",
    "checkbox_label_background_fill_selected": "var(--ow-accent-soft)",
    "checkbox_label_border_color": "var(--ow-line)",
    "checkbox_label_border_color_selected": "var(--ow-accent)",
    "checkbox_label_text_color": "var(--ow-text)",
    "checkbox_label_text_color_selected": "var(--ow-text)",
    "checkbox_label_shadow": "none",
    "error_background_fill": "var(--ow-bad-soft)",
    "error_border_color": "var(--ow-bad)",
    "error_text_color": "var(--ow-bad)",
    "error_icon_color": "var(--ow-bad)",
    "loader_color": "var(--ow-accent)",
    "slider_color": "var(--ow-accent)",
    "table_border_color": "var(--ow-line)",
    "table_even_background_fill": "var(--ow-surface)",
    "table_odd_background_fill": "var(--ow-surface)",
    "table_row_focus": "var(--ow-accent-soft)",
    "table_text_color": "var(--ow-text)",
    "code_background_fill": "var(--ow-sunken)",
    "button_primary_background_fill": "var(--ow-accent)",
    "button_primary_background_fill_hover": "var(--ow-accent-strong)",
    "button_primary_border_color": "var(--ow-accent)",
    "button_primary_border_color_hover": "var(--ow-accent-strong)",
    "button_primary_text_color": "var(--ow-on-accent)",
    "button_primary_text_color_hover": "var(--ow-on-accent)",
    "button_primary_shadow": "none",
    "button_secondary_background_fill": "var(--ow-surface)",
    "button_secondary_background_fill_hover": "var(--ow-sunken)",
    "button_secondary_border_color": "var(--ow-field-line)",
    "button_secondary_border_color_hover": "var(--ow-muted)",
    "button_secondary_text_color": "var(--ow-text)",
    "button_secondary_text_color_hover": "var(--ow-text)",
    "button_secondary_shadow": "none",
    "button_cancel_background_fill": "var(--ow-surface)",
    "button_cancel_background_fill_hover": "var(--ow-bad-soft)",
    "button_cancel_border_color": "var(--ow-bad)",
    "button_cancel_border_color_hover": "var(--ow-bad)",
    "button_cancel_text_color": "var(--ow-bad)",
    "button_cancel_text_color_hover": "var(--ow-bad)",
    "button_cancel_shadow": "none",
    "button_border_width": "1px",
    "button_large_radius": "8px",
    "button_medium_radius": "8px",
    "button_small_radius": "8px",
    "button_large_text_weight": "600",
    "button_medium_text_weight": "500",
    "button_large_text_size": "15px",
    "button_medium_text_size": "14px",
    "button_small_text_size": "13px",
    "section_header_text_size": "16px",
    "section_header_text_weight": "600",
}
