import type { PageWords } from '../words.ts';

export const spanish: PageWords = {
  tag: 'es',
  pages: {
    denied: {
      title: 'Esto no es posible',
      text: 'Su solicitud fue rechazada y no se ha cambiado nada. Si necesita ayuda, indique al servicio de soporte la referencia de abajo.',
    },
    step_up: {
      title: 'Confirme que es usted',
      text: 'Esta página necesita que vuelva a confirmar su identidad.',
    },
    posted: {
      title: 'Sus datos no se han enviado',
      text: 'Confirme primero que es usted. Después volverá al formulario y podrá enviarlo de nuevo. Hasta ahora no se ha cambiado nada.',
    },
    no_session: {
      title: 'Inicie sesión primero',
      text: 'No ha iniciado sesión o su sesión ha terminado. Inicie sesión y vuelva a abrir la página.',
    },
    expired: {
      title: 'Esta confirmación ya no es válida',
      text: 'Se inició hace demasiado tiempo o en otro navegador, o ya ha terminado. Vuelva a la página que quería abrir e inténtelo de nuevo.',
    },
    cancelled: {
      title: 'No ha confirmado',
      text: 'La confirmación se canceló y no se ha cambiado nada.',
    },
    other_person: {
      title: 'Se ha usado otra cuenta',
      text: 'Ha confirmado con una cuenta distinta de aquella con la que inició sesión. Use la misma cuenta.',
    },
    too_weak: {
      title: 'Se necesita una confirmación más segura',
      text: 'La forma en que ha confirmado no basta para esta página. Inténtelo de nuevo con una clave de acceso u otro método más seguro de su cuenta.',
    },
    provider_failed: {
      title: 'El servicio de inicio de sesión no responde',
      text: 'No se ha podido confirmar su identidad. Inténtelo de nuevo dentro de unos minutos.',
    },
    too_often: {
      title: 'Demasiados intentos',
      text: 'La confirmación ha fallado varias veces. Espere diez minutos antes de volver a intentarlo o indique al servicio de soporte la referencia de abajo.',
    },
    not_set_up: {
      title: 'Esta página no está disponible aquí',
      text: 'El sitio no está configurado por completo. Indique al servicio de soporte la referencia de abajo.',
    },
  },
  reference: 'Referencia',
  links: { confirm: 'Confirmar', again: 'Intentar de nuevo', back: 'Volver' },
};
